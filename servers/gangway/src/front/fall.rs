//! Why the server behind is not up any more, or does not come up.

use std::fmt;

use super::child::End;

macro_rules! falls {
    ($($(#[doc = $doc:literal])* $variant:ident $word:literal;)*) => {
        /// Of which kind it is. The word is in the log, where quarterdeck reads it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($(#[doc = $doc])* $variant,)* }

        impl Kind {
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

falls! {
    /// The program is not there, or is none.
    CannotStart "cannot-start";
    /// It ended by itself.
    Exited "exited";
    /// A signal ended it: the kernel's where memory ends, or one that it sent itself.
    Killed "killed";
    /// It does not answer what it is asked first.
    NotReady "not-ready";
    /// Its answers are none of the protocol.
    NotUnderstood "not-understood";
    /// It closed its standard output, and goes on.
    Closed "closed";
}

/// That it fell, and why in words.
#[derive(Debug)]
pub struct Fall {
    pub kind: Kind,
    message: String,
}

impl Fall {
    pub fn new(kind: Kind, message: String) -> Self {
        Self { kind, message }
    }

    /// How its process ended; `when` says what it did.
    pub fn ended(when: &str, end: Option<End>) -> Self {
        let kind = if end.as_ref().is_some_and(End::is_by_signal) { Kind::Killed } else { Kind::Exited };
        let how = end.map_or_else(|| "nobody knows how".to_owned(), |end| end.to_string());
        Self::new(kind, format!("{when}: {how}"))
    }
}

impl fmt::Display for Fall {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}
