//! Why there is no configuration.

use std::fmt;

/// Why there is no configuration.
#[derive(Debug)]
pub enum LoadError {
    /// The flags or the environment are invalid, or help was asked for: clap's message.
    Flags(Box<clap::Error>),
    /// The file is invalid, or values contradict each other; the sentence says where and why.
    Wrong(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Flags(error) => error.fmt(f),
            LoadError::Wrong(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<clap::Error> for LoadError {
    fn from(error: clap::Error) -> LoadError {
        LoadError::Flags(Box::new(error))
    }
}
