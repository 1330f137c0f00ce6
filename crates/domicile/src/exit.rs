//! How a command ends: 0 done, 1 the answer is no, 2 wrong usage or configuration, 3 something was not reached or stored.

use std::fmt;
use std::io::{ErrorKind, Write};

/// A command that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// The answer is no: it does not balance, the event is not known.
    No,
}

/// A command that could not do its work. The text says what is wrong, where, and how to mend it.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or configuration.
    Usage(String),
    /// Something could not be reached, read or stored.
    Unreached(String),
}

impl Failure {
    pub fn usage(text: impl fmt::Display) -> Self {
        Self::Usage(text.to_string())
    }

    pub fn unreached(text: impl fmt::Display) -> Self {
        Self::Unreached(text.to_string())
    }

    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreached(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(text) | Self::Unreached(text)) = self;
        write!(f, "domicile: {text}")
    }
}

/// Prints all of a command's answer. A reader that has read enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::unreached(error)),
        _ => Ok(()),
    }
}
