//! The filter language of AIP-160, as far as it is independent of what is filtered.
//!
//! ```text
//! expression  = sequence { AND sequence }
//! sequence    = factor { factor }                 words side by side: all of them
//! factor      = term { OR term }                  OR binds tighter than AND
//! term        = [ NOT | "-" ] simple
//! simple      = restriction | "(" expression ")"
//! restriction = value [ comparator argument ]     without a comparator: a word to look for
//! argument    = value | "(" expression ")"
//! comparator  = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":"
//! value       = text | quoted text
//! ```
//!
//! What the words mean, and which comparisons a field takes, is for who checks the [`Expression`] against their
//! fields. Functions are not part of any filter here. Everything that can be wrong is said with its column.

mod lexer;
mod parser;

use super::Problem;

/// The longest filter, in characters.
pub const LENGTH_MAX: usize = 4_000;
/// The most comparisons and words of a filter.
pub const LEAVES_MAX: usize = 50;
/// How deep parentheses may be nested.
pub const DEPTH_MAX: usize = 20;

/// What is to be true of the things that a filter shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expression {
    /// All of these.
    All(Vec<Self>),
    /// At least one of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// What a comparison says.
    Restriction(Restriction),
    /// Mentions this.
    Literal(Literal),
}

/// A field compared with something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restriction {
    /// The name of the field.
    pub field: Literal,
    /// How it is compared.
    pub comparator: Comparator,
    /// With what.
    pub argument: Argument,
}

/// What a field is compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Argument {
    /// One value.
    Literal(Literal),
    /// Several values, joined as expressions are: `status = (PENDING OR IN_PROGRESS)`.
    Composite(Box<Expression>),
}

/// A word or quoted text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Literal {
    /// What it says, without quotes and escapes.
    pub text: String,
    /// Whether it was quoted, so that `*` is a star and not "anything".
    pub quoted: bool,
    /// Where it begins, in characters from 1.
    pub column: usize,
}

/// How a field is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Comparator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `:`
    Has,
}

/// Reads a filter; `None` if it is empty, which is true of everything.
pub fn parse(filter: &str) -> Result<Option<Expression>, Problem> {
    let length = filter.chars().count();
    if length > LENGTH_MAX {
        return Err(Problem::new(format!("must be at most {LENGTH_MAX} characters long, not {length}")));
    }
    if filter.contains('\0') {
        return Err(Problem::new("must not contain the character NUL"));
    }
    parser::parse(lexer::tokens(filter)?)
}

impl Comparator {
    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Has => ":",
        }
    }
}

impl Literal {
    /// Whether this is the `*` that stands for any value.
    pub fn is_anything(&self) -> bool {
        !self.quoted && self.text == "*"
    }
}

/// What is wrong at a column.
pub fn problem_at(column: usize, description: impl AsRef<str>) -> Problem {
    Problem::new(format!("at column {column}: {}", description.as_ref()))
}

#[cfg(test)]
mod tests;
