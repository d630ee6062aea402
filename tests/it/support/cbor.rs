//! JSON as CBOR (RFC 8949), in which CloudWatch is asked and answers (Smithy, "RPC v2 CBOR").

use serde_json::{Map, Value};

/// A value; an object `{"@time": seconds}` is a time (tag 1).
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        Value::Number(number) => match number.as_u64() {
            Some(whole) => head(0, whole, out),
            None => {
                out.push(0xfb);
                out.extend(number.as_f64().unwrap().to_be_bytes());
            }
        },
        Value::String(text) => {
            head(3, text.len() as u64, out);
            out.extend(text.as_bytes());
        }
        Value::Array(all) => {
            head(4, all.len() as u64, out);
            all.iter().for_each(|one| write(one, out));
        }
        Value::Object(members) if members.contains_key("@time") => {
            head(6, 1, out);
            write(&members["@time"], out);
        }
        Value::Object(members) => {
            head(5, members.len() as u64, out);
            for (name, value) in members {
                write(&Value::String(name.clone()), out);
                write(value, out);
            }
        }
    }
}

/// A major type with its number.
fn head(kind: u8, number: u64, out: &mut Vec<u8>) {
    let kind = kind << 5;
    match number {
        0..24 => out.push(kind | number as u8),
        24..0x100 => out.extend([kind | 24, number as u8]),
        0x100..0x1_0000 => {
            out.push(kind | 25);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(kind | 26);
            out.extend((number as u32).to_be_bytes());
        }
        _ => {
            out.push(kind | 27);
            out.extend(number.to_be_bytes());
        }
    }
}

/// A value that came; a time is its seconds, and bytes are `None`, as is what ends too soon.
pub fn decode(bytes: &[u8]) -> Option<Value> {
    read(&mut &*bytes).flatten()
}

/// The next value; `Some(None)` is the mark that ends what has no length.
fn read(rest: &mut &[u8]) -> Option<Option<Value>> {
    let first = take(rest, 1)?[0];
    let (kind, short) = (first >> 5, first & 0x1f);
    if kind == 7 {
        return Some(Some(match short {
            20 | 21 => Value::Bool(short == 21),
            26 => f64::from(f32::from_be_bytes(take(rest, 4)?.try_into().ok()?)).into(),
            27 => f64::from_be_bytes(take(rest, 8)?.try_into().ok()?).into(),
            31 => return Some(None),
            _ => Value::Null,
        }));
    }
    let length = match short {
        0..24 => Some(u64::from(short)),
        24..28 => Some(take(rest, 1 << (short - 24))?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
        _ => None,
    };
    let more = |done: usize| length.is_none_or(|length| (done as u64) < length);
    Some(Some(match kind {
        0 => length?.into(),
        1 => (-1 - i64::try_from(length?).ok()?).into(),
        3 => String::from_utf8_lossy(take(rest, usize::try_from(length?).ok()?)?).into(),
        4 => {
            let mut all = Vec::new();
            while more(all.len()) {
                let Some(one) = read(rest)? else { break };
                all.push(one);
            }
            all.into()
        }
        5 => {
            let (mut all, mut done) = (Map::new(), 0);
            while more(done) {
                let Some(name) = read(rest)? else { break };
                all.insert(name.as_str()?.to_owned(), read(rest)??);
                done += 1;
            }
            all.into()
        }
        6 => return read(rest),
        _ => return None,
    }))
}

fn take<'a>(rest: &mut &'a [u8], many: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(many)?;
    *rest = left;
    Some(taken)
}
