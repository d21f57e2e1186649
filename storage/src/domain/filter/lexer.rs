//! From characters to tokens.

use super::{Comparator, Literal, problem_at};
use crate::domain::Problem;

/// A token and where it begins, in characters from 1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) column: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    And,
    Or,
    Not,
    Minus,
    Open,
    Close,
    Comparator(Comparator),
    Literal(Literal),
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::iter::Enumerate<std::str::Chars<'a>>>,
    tokens: Vec<Token>,
    /// The column after the last character.
    end: usize,
}

/// The tokens of `filter`.
pub(super) fn tokens(filter: &str) -> Result<Vec<Token>, Problem> {
    let rest = filter.chars().enumerate().peekable();
    let mut lexer = Lexer { rest, tokens: Vec::new(), end: filter.chars().count() + 1 };
    while let Some((column, first)) = lexer.take() {
        if !first.is_whitespace() {
            let kind = lexer.token(column, first)?;
            lexer.tokens.push(Token { kind, column });
        }
    }
    Ok(lexer.tokens)
}

impl Lexer<'_> {
    fn token(&mut self, column: usize, first: char) -> Result<Kind, Problem> {
        let comparator = match first {
            '(' => return Ok(Kind::Open),
            ')' => return Ok(Kind::Close),
            '"' | '\'' => return self.quoted(column, first),
            '-' if !self.is_argument() => return self.minus(column),
            '=' => Comparator::Equal,
            ':' => Comparator::Has,
            '<' if self.take_if('=') => Comparator::LessOrEqual,
            '<' => Comparator::Less,
            '>' if self.take_if('=') => Comparator::GreaterOrEqual,
            '>' => Comparator::Greater,
            '!' if self.take_if('=') => Comparator::NotEqual,
            '!' => return Err(problem_at(column, "`!` is not an operator: write NOT or `!=`")),
            ',' => return Err(problem_at(column, "a comma has no meaning here: join conditions by AND or OR")),
            _ => return Ok(self.text(column, first)),
        };
        Ok(Kind::Comparator(comparator))
    }

    /// A word. What follows a comparator may hold colons, as the time of day in an instant does.
    fn text(&mut self, column: usize, first: char) -> Kind {
        let is_argument = self.is_argument();
        let ends = |next: char| next.is_whitespace() || "()\"=<>!,".contains(next) || (next == ':' && !is_argument);
        let mut text = String::from(first);
        while let Some((_, next)) = self.rest.next_if(|(_, next)| !ends(*next)) {
            text.push(next);
        }
        match text.as_str() {
            "AND" => Kind::And,
            "OR" => Kind::Or,
            "NOT" => Kind::Not,
            _ => Kind::Literal(Literal { text, quoted: false, column }),
        }
    }

    fn quoted(&mut self, column: usize, quote: char) -> Result<Kind, Problem> {
        let mut text = String::new();
        while let Some((at, next)) = self.take() {
            match next {
                '\\' => text.push(self.escaped(at)?),
                _ if next == quote => return Ok(Kind::Literal(Literal { text, quoted: true, column })),
                _ => text.push(next),
            }
        }
        Err(problem_at(column, "a quote begins that does not end"))
    }

    fn escaped(&mut self, column: usize) -> Result<char, Problem> {
        match self.take() {
            Some((_, escaped @ ('"' | '\'' | '\\'))) => Ok(escaped),
            Some((_, 'n')) => Ok('\n'),
            Some((_, 't')) => Ok('\t'),
            _ => Err(problem_at(column, r#"a backslash stands before `"`, `'`, `\`, `n` or `t`"#)),
        }
    }

    fn minus(&mut self, column: usize) -> Result<Kind, Problem> {
        match self.rest.peek() {
            Some((_, next)) if !next.is_whitespace() => Ok(Kind::Minus),
            _ => Err(problem_at((column + 1).min(self.end), "`-` must be followed by what it excludes")),
        }
    }

    /// Whether what comes next is what a field is compared with.
    fn is_argument(&self) -> bool {
        matches!(self.tokens.last(), Some(Token { kind: Kind::Comparator(_), .. }))
    }

    fn take(&mut self) -> Option<(usize, char)> {
        self.rest.next().map(|(index, next)| (index + 1, next))
    }

    fn take_if(&mut self, wanted: char) -> bool {
        self.rest.next_if(|(_, next)| *next == wanted).is_some()
    }
}
