//! Frames of AWS's event stream encoding (`application/vnd.amazon.eventstream`, Amazon Transcribe
//! and Smithy documentation): prelude, string headers, payload, each closed by a CRC-32.

use serde_json::{Value, json};

/// An event of a live tail.
pub fn event(kind: &str, payload: &Value) -> Vec<u8> {
    let headers = [(":message-type", "event"), (":event-type", kind), (":content-type", "application/x-amz-json-1.1")];
    frame(&headers, payload.to_string().as_bytes())
}

/// A `sessionUpdate`.
pub fn update(results: &[Value], sampled: bool) -> Vec<u8> {
    event("sessionUpdate", &json!({ "sessionMetadata": { "sampled": sampled }, "sessionResults": results }))
}

/// An exception, after which the stream ends.
pub fn exception(kind: &str, message: &str) -> Vec<u8> {
    let headers =
        [(":message-type", "exception"), (":exception-type", kind), (":content-type", "application/x-amz-json-1.1")];
    frame(&headers, json!({ "message": message }).to_string().as_bytes())
}

fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap());
        head.extend(name.as_bytes());
        head.push(7);
        head.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        head.extend(value.as_bytes());
    }
    let mut out = Vec::new();
    out.extend(u32::try_from(16 + head.len() + payload.len()).unwrap().to_be_bytes());
    out.extend(u32::try_from(head.len()).unwrap().to_be_bytes());
    out.extend(crc32(&out).to_be_bytes());
    out.extend(head);
    out.extend(payload);
    out.extend(crc32(&out).to_be_bytes());
    out
}

/// CRC-32 of IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
