//! A filter of tasks, checked against the fields that tasks have.

use std::ops::Not as _;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::clock::{FIRST_TIME, LAST_TIME, truncate};
use crate::domain::Problem;
use crate::domain::filter::{self, Argument, Comparator, Expression, Literal, problem_at};
use crate::domain::task::{Priority, Status};
use crate::domain::text::Tag;
use crate::domain::words::{self, Word};

/// What a task must be to be listed.
///
/// Every condition is true or false of every task. A comparison with a field that is empty is false, so its negation
/// is true: `NOT due_time < X` shows what is due later and what is never due, and `due_time != X` is the same as
/// `NOT due_time = X`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// All of these; of none, always.
    All(Vec<Self>),
    /// At least one of these.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// What a test says.
    Test(Test),
}

/// One thing that a task is or is not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Test {
    /// As far as this.
    Status(Status),
    /// Mattering as much as one of these.
    Priority(Vec<Priority>),
    /// Referring to this; `None`: to nothing.
    Reference(ReferenceField, Option<Uuid>),
    /// Having a number so.
    Number(NumberField, Relation, i64),
    /// Having a time so.
    Time(TimeField, Relation, DateTime<Utc>),
    /// Having a time at all.
    HasTime(TimeField),
    /// Being the occurrence of a local date so.
    OccurrenceDate(DateRelation),
    /// Having exactly this text, which is folded.
    TextIs(TextField, String),
    /// Having this text somewhere, which is folded and not empty.
    TextHas(TextField, String),
    /// Tagged so; the form under which tags are compared.
    Tag(String),
    /// Tagged at all.
    HasTag,
    /// Happening again and again.
    Recurs,
    /// Having this word in title, description or the notes of a time log.
    Mentions(Word),
}

/// How a date of occurrence is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DateRelation {
    /// With a date.
    Is(Relation, NaiveDate),
    /// There is one.
    Any,
}

/// How values with an order are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Relation {
    /// Are the same.
    Equal,
    /// Is before.
    Less,
    /// Is not after.
    LessOrEqual,
    /// Is after.
    Greater,
    /// Is not before.
    GreaterOrEqual,
}

/// Fields of text that people write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextField {
    /// What it is called.
    Title,
    /// What it is about.
    Description,
}

/// Fields that hold the id of something else, or nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReferenceField {
    /// Its category.
    Category,
    /// The task that it is a part of.
    Parent,
    /// The series that it is an occurrence of.
    Series,
}

/// Fields that hold a number, 0 where nothing is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NumberField {
    /// What it is expected to take.
    EstimatedMinutes,
    /// What was logged for it, in whole minutes.
    ActualMinutes,
    /// How often it was put off.
    PostponementCount,
}

/// Fields that hold an instant or nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimeField {
    /// When it is due.
    Due,
    /// When it was completed.
    Complete,
    /// When it was created.
    Create,
    /// When it was last written.
    Update,
    /// When it was moved to the trash.
    Delete,
}

#[derive(Clone, Copy)]
enum Field {
    Text(TextField),
    Reference(ReferenceField),
    Number(NumberField),
    Time(TimeField),
    Priority,
    Status,
    Tags,
    Recurrence,
    OccurrenceDate,
}

const FIELDS: [(&str, Field); 18] = [
    ("title", Field::Text(TextField::Title)),
    ("description", Field::Text(TextField::Description)),
    ("category_id", Field::Reference(ReferenceField::Category)),
    ("parent_id", Field::Reference(ReferenceField::Parent)),
    ("priority", Field::Priority),
    ("status", Field::Status),
    ("estimated_minutes", Field::Number(NumberField::EstimatedMinutes)),
    ("actual_minutes", Field::Number(NumberField::ActualMinutes)),
    ("due_time", Field::Time(TimeField::Due)),
    ("tags", Field::Tags),
    ("recurrence", Field::Recurrence),
    ("series_id", Field::Reference(ReferenceField::Series)),
    ("occurrence_date", Field::OccurrenceDate),
    ("postponement_count", Field::Number(NumberField::PostponementCount)),
    ("complete_time", Field::Time(TimeField::Complete)),
    ("create_time", Field::Time(TimeField::Create)),
    ("update_time", Field::Time(TimeField::Update)),
    ("delete_time", Field::Time(TimeField::Delete)),
];

/// From the least to the most important.
const PRIORITIES: [(&str, Priority); 4] =
    [("LOW", Priority::Low), ("MEDIUM", Priority::Medium), ("HIGH", Priority::High), ("URGENT", Priority::Urgent)];

const STATUSES: [(&str, Status); 4] = [
    ("PENDING", Status::Pending),
    ("IN_PROGRESS", Status::InProgress),
    ("COMPLETED", Status::Completed),
    ("CANCELLED", Status::Cancelled),
];

impl Condition {
    /// Reads a filter; empty, it is true of every task.
    pub fn parse(filter: &str) -> Result<Self, Problem> {
        filter::parse(filter)?.as_ref().map_or_else(|| Ok(Self::always()), check)
    }

    /// That a task mentions all words of a search, of which the last may not be complete.
    pub fn search(words: &str) -> Result<Self, Problem> {
        if words.trim().is_empty() { Ok(Self::always()) } else { mentions(words, true) }
    }

    /// This and `other`.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::All(vec![self, other])
    }

    fn always() -> Self {
        Self::All(Vec::new())
    }
}

impl std::ops::Not for Condition {
    type Output = Self;

    fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}

impl From<Test> for Condition {
    fn from(test: Test) -> Self {
        Self::Test(test)
    }
}

fn check(expression: &Expression) -> Result<Condition, Problem> {
    map(expression, &|leaf| match leaf {
        Expression::Restriction(restriction) => {
            let field = field(&restriction.field)?;
            let test = |value: &Literal| condition(field, &restriction.field, restriction.comparator, value);
            match &restriction.argument {
                Argument::Literal(value) => test(value),
                Argument::Composite(values) => map(values, &|leaf| match leaf {
                    Expression::Literal(value) => test(value),
                    other => Err(problem_at(column(other), "a value is compared already: only values can stand here")),
                }),
            }
        }
        Expression::Literal(text) => mentions(&text.text, false).map_err(|problem| at(text, &problem)),
        _ => Ok(Condition::always()),
    })
}

/// The condition that `expression` is when its leaves are what `leaf` makes of them.
fn map(
    expression: &Expression,
    leaf: &dyn Fn(&Expression) -> Result<Condition, Problem>,
) -> Result<Condition, Problem> {
    let all = |parts: &[Expression]| parts.iter().map(|part| map(part, leaf)).collect::<Result<Vec<_>, _>>();
    match expression {
        Expression::All(parts) => all(parts).map(Condition::All),
        Expression::Any(parts) => all(parts).map(Condition::Any),
        Expression::Not(part) => map(part, leaf).map(Condition::not),
        Expression::Restriction(_) | Expression::Literal(_) => leaf(expression),
    }
}

fn field(name: &Literal) -> Result<Field, Problem> {
    let found = FIELDS.iter().find(|(known, _)| *known == name.text && !name.quoted);
    found.map(|(_, field)| *field).ok_or_else(|| {
        let known = FIELDS.map(|(known, _)| known).join(", ");
        problem_at(name.column, format!("there is no field `{}`; there are {known}", name.text))
    })
}

fn condition(field: Field, name: &Literal, comparator: Comparator, value: &Literal) -> Result<Condition, Problem> {
    if comparator == Comparator::Has && value.is_anything() {
        return Ok(presence(field));
    }
    if comparator == Comparator::NotEqual && !matches!(field, Field::Tags | Field::Recurrence) {
        return condition(field, name, Comparator::Equal, value).map(Condition::not);
    }
    let test = match (field, comparator) {
        (Field::Tags, Comparator::Has) => tag(value)?,
        (Field::Text(field), Comparator::Equal) => Test::TextIs(field, words::fold(&value.text)),
        (Field::Text(field), Comparator::Has) => contains(field, value)?,
        (Field::Reference(field), Comparator::Equal | Comparator::Has) => Test::Reference(field, reference(value)?),
        (Field::Status, Comparator::Equal | Comparator::Has) => Test::Status(named(value, "status", &STATUSES)?),
        (Field::Priority, comparator) => priority(relation(comparator), value)?,
        (Field::Number(field), comparator) => Test::Number(field, relation(comparator), number(value)?),
        (Field::Time(field), comparator) => Test::Time(field, relation(comparator), time(value)?),
        (Field::OccurrenceDate, comparator) => {
            Test::OccurrenceDate(DateRelation::Is(relation(comparator), date(value)?))
        }
        (field, comparator) => return Err(not_taken(field, name, comparator)),
    };
    Ok(test.into())
}

/// That a field is not empty.
fn presence(field: Field) -> Condition {
    match field {
        Field::Text(field) => Condition::from(Test::TextIs(field, String::new())).not(),
        Field::Reference(field) => Condition::from(Test::Reference(field, None)).not(),
        Field::Number(field) => Test::Number(field, Relation::Greater, 0).into(),
        Field::Time(field) => Test::HasTime(field).into(),
        Field::Tags => Test::HasTag.into(),
        Field::Recurrence => Test::Recurs.into(),
        Field::OccurrenceDate => Test::OccurrenceDate(DateRelation::Any).into(),
        Field::Priority | Field::Status => Condition::always(),
    }
}

fn relation(comparator: Comparator) -> Relation {
    match comparator {
        Comparator::Less => Relation::Less,
        Comparator::LessOrEqual => Relation::LessOrEqual,
        Comparator::Greater => Relation::Greater,
        Comparator::GreaterOrEqual => Relation::GreaterOrEqual,
        // `!=` was taken apart before; `:` on a single value means that it is this one.
        Comparator::Equal | Comparator::NotEqual | Comparator::Has => Relation::Equal,
    }
}

fn not_taken(field: Field, name: &Literal, comparator: Comparator) -> Problem {
    let taken = match field {
        Field::Tags => "`:`, as in `tags:home`",
        Field::Recurrence => "nothing but `:*`",
        _ => "`=`, `!=` and `:`",
    };
    problem_at(name.column, format!("`{}` takes {taken}, not `{}`", name.text, comparator.as_str()))
}

fn mentions(text: &str, is_typing: bool) -> Result<Condition, Problem> {
    let mut words = words::wanted(text, is_typing);
    if words.is_empty() {
        return Err(Problem::new("must have a letter or a digit to look for"));
    }
    if words.len() > WORDS_MAX {
        return Err(Problem::new(format!("must look for at most {WORDS_MAX} words, not {}", words.len())));
    }
    words.dedup();
    Ok(Condition::All(words.into_iter().map(|word| Test::Mentions(word).into()).collect()))
}

/// The most words of one search.
const WORDS_MAX: usize = 10;

fn contains(field: TextField, value: &Literal) -> Result<Test, Problem> {
    if value.text.is_empty() {
        return Err(problem_at(value.column, "there must be text to look for"));
    }
    Ok(Test::TextHas(field, words::fold(&value.text)))
}

fn tag(value: &Literal) -> Result<Test, Problem> {
    Tag::parse(&value.text).map(|tag| Test::Tag(tag.key())).map_err(|problem| at(value, &problem))
}

fn reference(value: &Literal) -> Result<Option<Uuid>, Problem> {
    if value.text.is_empty() {
        return Ok(None);
    }
    let id = Uuid::parse_str(&value.text);
    id.map(Some).map_err(|_| problem_at(value.column, "must be a UUID, or \"\" for none"))
}

fn priority(relation: Relation, value: &Literal) -> Result<Test, Problem> {
    let limit = rank(named(value, "priority", &PRIORITIES)?);
    let wanted = PRIORITIES.map(|(_, priority)| priority).into_iter();
    Ok(Test::Priority(wanted.filter(|priority| relation.holds(&rank(*priority), &limit)).collect()))
}

fn rank(priority: Priority) -> usize {
    PRIORITIES.iter().position(|(_, known)| *known == priority).unwrap_or_default()
}

fn named<T: Copy>(value: &Literal, what: &str, known: &[(&str, T)]) -> Result<T, Problem> {
    let found = known.iter().find(|(name, _)| *name == value.text);
    found.map(|(_, named)| *named).ok_or_else(|| {
        let names = known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        problem_at(value.column, format!("`{}` is not a {what}; there are {names}", value.text))
    })
}

fn number(value: &Literal) -> Result<i64, Problem> {
    value.text.parse().map_err(|_| problem_at(value.column, "must be a whole number"))
}

fn time(value: &Literal) -> Result<DateTime<Utc>, Problem> {
    DateTime::parse_from_rfc3339(&value.text)
        .ok()
        .map(|time| truncate(time.to_utc()))
        .filter(|time| (FIRST_TIME..=LAST_TIME).contains(time))
        .ok_or_else(|| problem_at(value.column, "must be an instant such as 2026-06-15T10:00:00Z"))
}

fn date(value: &Literal) -> Result<NaiveDate, Problem> {
    NaiveDate::parse_from_str(&value.text, "%Y-%m-%d")
        .map_err(|_| problem_at(value.column, "must be a date such as 2026-06-15"))
}

fn at(literal: &Literal, problem: &Problem) -> Problem {
    problem_at(literal.column, problem.to_string())
}

/// Where an expression begins.
fn column(expression: &Expression) -> usize {
    match expression {
        Expression::All(parts) | Expression::Any(parts) => parts.first().map_or(1, column),
        Expression::Not(part) => column(part),
        Expression::Restriction(restriction) => restriction.field.column,
        Expression::Literal(literal) => literal.column,
    }
}

impl Relation {
    /// Whether `left` is so beside `right`.
    pub fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }

    /// How SQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(filter: &str) -> Test {
        match Condition::parse(filter).unwrap() {
            Condition::Test(test) => test,
            other => panic!("{filter}: {other:?}"),
        }
    }

    #[test]
    fn a_priority_is_compared_by_how_much_it_matters() {
        let priorities = |filter| match test(filter) {
            Test::Priority(priorities) => priorities,
            other => panic!("{filter}: {other:?}"),
        };
        assert_eq!(priorities("priority >= HIGH"), [Priority::High, Priority::Urgent]);
        assert_eq!(priorities("priority < HIGH"), [Priority::Low, Priority::Medium]);
        assert_eq!(priorities("priority = LOW"), [Priority::Low]);
        assert_eq!(priorities("priority > URGENT"), []);
    }

    #[test]
    fn a_field_takes_a_composite_of_values() {
        let any = |status| Condition::from(Test::Status(status));
        let expected = Condition::Any(vec![any(Status::Pending), any(Status::InProgress)]);
        assert_eq!(Condition::parse("status = (PENDING OR IN_PROGRESS)").unwrap(), expected);
    }

    #[test]
    fn times_are_instants_wherever_they_were_written() {
        let expected = "2026-06-15T08:00:00Z".parse().unwrap();
        for filter in ["due_time < 2026-06-15T10:00:00+02:00", "due_time<\"2026-06-15T08:00:00Z\""] {
            assert_eq!(test(filter), Test::Time(TimeField::Due, Relation::Less, expected), "{filter}");
        }
    }

    #[test]
    fn text_is_compared_without_case_and_a_quoted_star_is_a_star() {
        assert_eq!(test("title = \"Größe\""), Test::TextIs(TextField::Title, "grösse".into()));
        assert_eq!(test("description:\"*\""), Test::TextHas(TextField::Description, "*".into()));
        assert_eq!(Condition::parse("description:*").unwrap(), presence(Field::Text(TextField::Description)));
        assert_eq!(test("tags:Deep"), Test::Tag("deep".into()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_column_and_what_is_allowed() {
        let cases = [
            ("colour = RED", "at column 1: there is no field `colour`; there are title, description"),
            ("\"title\" = a", "at column 1: there is no field"),
            ("a AND status = DONE", "at column 16: `DONE` is not a status; there are PENDING, IN_PROGRESS"),
            ("status > PENDING", "at column 1: `status` takes `=`, `!=` and `:`, not `>`"),
            ("title < a", "at column 1: `title` takes"),
            ("tags = home", "at column 1: `tags` takes `:`, as in `tags:home`, not `=`"),
            ("tags != home", "at column 1: `tags` takes `:`"),
            ("recurrence = \"FREQ=DAILY\"", "at column 1: `recurrence` takes nothing but `:*`, not `=`"),
            ("tags:@home", "at column 6: must not contain"),
            ("priority = high", "at column 12: `high` is not a priority; there are LOW, MEDIUM, HIGH, URGENT"),
            ("category_id = x", "at column 15: must be a UUID"),
            ("estimated_minutes > many", "at column 21: must be a whole number"),
            ("due_time < 2026-06-15", "at column 12: must be an instant such as"),
            ("due_time > 0000-12-31T00:00:00Z", "at column 12: must be an instant"),
            ("occurrence_date = tomorrow", "at column 19: must be a date such as"),
            ("title:\"\"", "at column 7: there must be text"),
            ("status = (PENDING OR title:x)", "at column 22: a value is compared already"),
            ("\"!?\"", "at column 1: must have a letter or a digit"),
            ("\"a b c d e f g h i j k\"", "at column 1: must look for at most 10 words, not 11"),
        ];
        for (filter, expected) in cases {
            let problem = Condition::parse(filter).unwrap_err().to_string();
            assert!(problem.starts_with(expected), "{filter}: {problem}");
        }
    }

    #[test]
    fn a_search_looks_for_each_word_and_for_the_beginning_of_the_last() {
        let word = |text: &str, is_prefix| Test::Mentions(Word { text: text.into(), is_prefix }).into();
        assert_eq!(
            Condition::search("Write rep").unwrap(),
            Condition::All(vec![word("write", false), word("rep", true)])
        );
        assert_eq!(Condition::search("  ").unwrap(), Condition::always());
        assert!(Condition::search("?!").is_err());
    }
}
