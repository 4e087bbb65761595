//! What is wrong with a configuration, said to people.

use std::fmt;
use std::path::PathBuf;

/// Why there is no configuration. `{}` is one line, for logs; `{:#}` shows every mistake with its line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// Flags or environment.
    Usage(String),
    /// The file could not be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The file was read and is wrong.
    Wrong {
        /// Which.
        path: PathBuf,
        /// At least one, in the file's order.
        mistakes: Vec<Mistake>,
    },
}

impl ConfigError {
    /// 64 for flags and environment, 1 for the file.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 64,
            Self::Unreadable { .. } | Self::Wrong { .. } => 1,
        }
    }

    /// The mistakes in the file; none where it could not be read.
    pub fn mistakes(&self) -> &[Mistake] {
        match self {
            Self::Wrong { mistakes, .. } => mistakes,
            Self::Usage(_) | Self::Unreadable { .. } => &[],
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) => formatter.write_str(message),
            Self::Unreadable { path, reason } => write!(formatter, "{}: {reason}", path.display()),
            Self::Wrong { path, mistakes } if formatter.alternate() => {
                for (index, mistake) in mistakes.iter().enumerate() {
                    let gap = if index > 0 { "\n\n" } else { "" };
                    write!(formatter, "{gap}{}:{mistake:#}", path.display())?;
                }
                Ok(())
            }
            Self::Wrong { path, mistakes } => {
                let Some(first) = mistakes.first() else { return write!(formatter, "{}: wrong", path.display()) };
                write!(formatter, "{}:{first}", path.display())?;
                match mistakes.len() - 1 {
                    0 => Ok(()),
                    more => write!(formatter, " (and {more} more; `doorstep check` shows all)"),
                }
            }
        }
    }
}

/// One mistake and its place. `{:#}` shows the line of the file too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// Characters it spans, at least 1.
    pub width: usize,
    /// What was found, what was expected, and the cure.
    pub message: String,
    /// The line of the file; empty past its end.
    pub source: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.line, self.column, self.message)?;
        if !formatter.alternate() || self.source.is_empty() {
            return Ok(());
        }
        let number = self.line.to_string();
        let indent = " ".repeat(self.column - 1);
        let margin = " ".repeat(number.len());
        write!(formatter, "\n  {number} | {}\n  {margin} | {indent}{}", self.source, "^".repeat(self.width))
    }
}
