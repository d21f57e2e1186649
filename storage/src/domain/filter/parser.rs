//! From tokens to the tree, by recursive descent: a function per rule of the grammar.

use std::iter::Peekable;
use std::vec;

use super::lexer::{Kind, Token};
use super::{Argument, DEPTH_MAX, Expression, LEAVES_MAX, Literal, Restriction, problem_at};
use crate::domain::Problem;

struct Parser {
    tokens: Peekable<vec::IntoIter<Token>>,
    /// Where the filter ends, for what is missing there.
    end: usize,
    depth: usize,
    leaves: usize,
}

/// The tree of `tokens`; `None` if there are none.
pub(super) fn parse(tokens: Vec<Token>) -> Result<Option<Expression>, Problem> {
    let Some(last) = tokens.last() else { return Ok(None) };
    let end = last.column + width(&last.kind);
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), end, depth: 0, leaves: 0 };
    let expression = parser.expression()?;
    match parser.tokens.next() {
        None => Ok(Some(expression)),
        // An expression goes on for as long as it can, so only this can be left.
        Some(token) => Err(problem_at(token.column, "a parenthesis is closed that was not opened")),
    }
}

impl Parser {
    fn expression(&mut self) -> Result<Expression, Problem> {
        let mut all = vec![self.sequence()?];
        while self.take(&Kind::And).is_some() {
            all.push(self.sequence()?);
        }
        Ok(one_or(all, Expression::All))
    }

    fn sequence(&mut self) -> Result<Expression, Problem> {
        let mut all = vec![self.factor()?];
        while self.tokens.peek().is_some_and(|token| !matches!(token.kind, Kind::And | Kind::Close)) {
            all.push(self.factor()?);
        }
        Ok(one_or(all, Expression::All))
    }

    fn factor(&mut self) -> Result<Expression, Problem> {
        let mut any = vec![self.term()?];
        while self.take(&Kind::Or).is_some() {
            any.push(self.term()?);
        }
        Ok(one_or(any, Expression::Any))
    }

    fn term(&mut self) -> Result<Expression, Problem> {
        if self.take(&Kind::Not).is_some() || self.take(&Kind::Minus).is_some() {
            return Ok(Expression::Not(Box::new(self.simple()?)));
        }
        self.simple()
    }

    fn simple(&mut self) -> Result<Expression, Problem> {
        let token = self.next("a condition")?;
        match token.kind {
            Kind::Open => self.composite(token.column),
            Kind::Literal(literal) => self.restriction(literal),
            kind => Err(problem_at(token.column, format!("{} where a condition is expected", name(&kind)))),
        }
    }

    fn restriction(&mut self, literal: Literal) -> Result<Expression, Problem> {
        self.leaves += 1;
        if self.leaves > LEAVES_MAX {
            return Err(problem_at(literal.column, format!("a filter has at most {LEAVES_MAX} conditions and words")));
        }
        let Some(&Token { kind: Kind::Comparator(comparator), .. }) = self.tokens.peek() else {
            return self.not_a_function(literal);
        };
        self.tokens.next();
        let argument = self.argument()?;
        Ok(Expression::Restriction(Restriction { field: literal, comparator, argument }))
    }

    fn argument(&mut self) -> Result<Argument, Problem> {
        let token = self.next("a value")?;
        match token.kind {
            Kind::Literal(literal) => Ok(Argument::Literal(literal)),
            Kind::Open => self.composite(token.column).map(|values| Argument::Composite(Box::new(values))),
            kind => {
                Err(problem_at(token.column, format!("{} where a value is expected: quote what is text", name(&kind))))
            }
        }
    }

    /// The rest of what an opened parenthesis encloses.
    fn composite(&mut self, column: usize) -> Result<Expression, Problem> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(problem_at(column, format!("parentheses may be nested {DEPTH_MAX} deep")));
        }
        let expression = self.expression()?;
        if self.take(&Kind::Close).is_none() {
            return Err(problem_at(column, "a parenthesis is opened that is not closed"));
        }
        self.depth -= 1;
        Ok(expression)
    }

    /// A word alone; one that a parenthesis follows at once would be a function.
    fn not_a_function(&mut self, word: Literal) -> Result<Expression, Problem> {
        let after = word.column + word.text.chars().count();
        let is_call = self.tokens.peek().is_some_and(|next| next.kind == Kind::Open && next.column == after);
        if is_call && !word.quoted {
            return Err(problem_at(word.column, format!("there is no function `{}`", word.text)));
        }
        Ok(Expression::Literal(word))
    }

    fn next(&mut self, expected: &str) -> Result<Token, Problem> {
        let end = self.end;
        self.tokens.next().ok_or_else(|| problem_at(end, format!("{expected} is missing")))
    }

    fn take(&mut self, kind: &Kind) -> Option<Token> {
        self.tokens.next_if(|token| token.kind == *kind)
    }
}

fn one_or(mut expressions: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match expressions.len() {
        1 => expressions.swap_remove(0),
        _ => join(expressions),
    }
}

fn name(kind: &Kind) -> String {
    match kind {
        Kind::And => "AND stands".to_owned(),
        Kind::Or => "OR stands".to_owned(),
        Kind::Not => "NOT stands".to_owned(),
        Kind::Minus => "`-` stands".to_owned(),
        Kind::Open => "`(` stands".to_owned(),
        Kind::Close => "`)` stands".to_owned(),
        Kind::Comparator(comparator) => format!("`{}` stands", comparator.as_str()),
        Kind::Literal(literal) => format!("`{}` stands", literal.text),
    }
}

fn width(kind: &Kind) -> usize {
    match kind {
        Kind::Literal(literal) => literal.text.chars().count() + if literal.quoted { 2 } else { 0 },
        Kind::Comparator(comparator) => comparator.as_str().len(),
        Kind::And | Kind::Not => 3,
        Kind::Or => 2,
        Kind::Minus | Kind::Open | Kind::Close => 1,
    }
}
