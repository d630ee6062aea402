//! Asks for a value that nobody may see.

use std::io::{self, BufRead, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal's modes as they were, which come back whatever happens.
struct Restore(Termios);

impl Drop for Restore {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// A line that is typed at the terminal and not shown.
///
/// Ctrl-c is read as a key, so that no signal ends the program while the terminal shows nothing.
pub(super) fn hidden(question: &str) -> io::Result<String> {
    write!(io::stderr(), "{question}")?;
    io::stderr().flush()?;
    let before = tcgetattr(io::stdin())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG | LocalModes::ICANON);
    let restore = Restore(before);
    tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
    let line = typed(io::stdin().lock());
    drop(restore);
    writeln!(io::stderr())?;
    line
}

/// The keys up to the end of the line, as a terminal's own editing understands them.
fn typed(keys: impl BufRead) -> io::Result<String> {
    const INTERRUPT: u8 = 0x03;
    const END: u8 = 0x04;
    const CLEAR: u8 = 0x15;
    let mut line = Vec::new();
    for key in keys.bytes() {
        match key? {
            b'\n' | b'\r' => break,
            INTERRUPT => return Err(io::Error::new(io::ErrorKind::Interrupted, "it was given up with ctrl-c")),
            END => break,
            CLEAR => line.clear(),
            0x08 | 0x7f => drop_character(&mut line),
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Takes off the last character with all its bytes.
fn drop_character(line: &mut Vec<u8>) {
    while let Some(byte) = line.pop() {
        if byte & 0b1100_0000 != 0b1000_0000 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(b"hunter2\nrest", "hunter2")]
    #[case(b"hunter2\rrest", "hunter2")]
    #[case(b"hunter3\x7f2\n", "hunter2")]
    #[case("h\u{fc}\x7funter2\n".as_bytes(), "hunter2")]
    #[case(b"wrong\x15hunter2\n", "hunter2")]
    #[case(b"hunter2\x04", "hunter2")]
    #[case(b"\n", "")]
    #[case(b"\x7f\n", "")]
    fn what_is_typed_is_read_to_the_end_of_the_line(#[case] keys: &[u8], #[case] line: &str) {
        assert_eq!(typed(keys).ok().as_deref(), Some(line));
    }

    #[test]
    fn ctrl_c_gives_up() {
        assert_eq!(typed(&b"hunter2\x03\n"[..]).err().map(|error| error.kind()), Some(io::ErrorKind::Interrupted));
        assert_eq!(typed(&b"\xff\n"[..]).err().map(|error| error.kind()), Some(io::ErrorKind::InvalidData));
    }
}
