//! What a text means, before any colour.

/// What a piece of text means; the theme turns it into a colour, never the colour alone into meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Meaning {
    #[default]
    Plain,
    /// It is well.
    Good,
    /// It may not be well, or is on its way.
    Warn,
    /// It is not well.
    Bad,
    /// Of less interest.
    Muted,
    /// A name or a key.
    Accent,
}
