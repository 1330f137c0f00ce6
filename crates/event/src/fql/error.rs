//! What is wrong with an expression, where, and how to mend it.

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {what}; mend: {mend}")]
pub struct FqlError {
    /// Where, counted in characters from 1; line breaks count as one.
    pub column: usize,
    pub what: String,
    pub mend: String,
}

impl FqlError {
    pub(super) fn new(column: usize, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { column, what: what.into(), mend: mend.into() }
    }
}
