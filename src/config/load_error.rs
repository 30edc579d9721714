//! Why there is no configuration.

use std::fmt;

/// Why there is no configuration.
#[derive(Debug)]
pub enum LoadError {
    /// The flags or the environment are wrong, or help was asked for: clap says it.
    Flags(Box<clap::Error>),
    /// The file is wrong, or the values cannot work together; a sentence says where and why.
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
