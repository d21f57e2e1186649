use super::*;

/// A tree in prefix form: what joins, then what it joins.
fn shape(expression: &Expression) -> String {
    let list = |name: &str, parts: &[Expression]| {
        format!("({name} {})", parts.iter().map(shape).collect::<Vec<_>>().join(" "))
    };
    match expression {
        Expression::All(parts) => list("all", parts),
        Expression::Any(parts) => list("any", parts),
        Expression::Not(part) => format!("(not {})", shape(part)),
        Expression::Literal(literal) => text(literal),
        Expression::Restriction(Restriction { field, comparator, argument }) => {
            let argument = match argument {
                Argument::Literal(literal) => text(literal),
                Argument::Composite(values) => shape(values),
            };
            format!("{}{}{argument}", text(field), comparator.as_str())
        }
    }
}

fn text(literal: &Literal) -> String {
    if literal.quoted { format!("{:?}", literal.text) } else { literal.text.clone() }
}

fn parsed(filter: &str) -> String {
    parse(filter).unwrap().as_ref().map(shape).unwrap_or_default()
}

#[test]
fn or_binds_tighter_than_and() {
    let cases = [
        ("a AND b OR c", "(all a (any b c))"),
        ("a OR b AND c", "(all (any a b) c)"),
        ("a b OR c d", "(all a (any b c) d)"),
        ("New York Giants OR Yankees", "(all New York (any Giants Yankees))"),
        ("a b AND c", "(all (all a b) c)"),
        ("(a AND b) OR c", "(any (all a b) c)"),
        ("a OR b OR c", "(any a b c)"),
    ];
    for (filter, expected) in cases {
        assert_eq!(parsed(filter), expected, "{filter}");
    }
}

#[test]
fn not_and_minus_take_what_follows_them() {
    let cases = [
        ("NOT a b", "(all (not a) b)"),
        ("-a OR b", "(any (not a) b)"),
        ("-tags:home", "(not tags:home)"),
        ("NOT (a OR -b)", "(not (any a (not b)))"),
        ("-\"a b\"", "(not \"a b\")"),
    ];
    for (filter, expected) in cases {
        assert_eq!(parsed(filter), expected, "{filter}");
    }
}

#[test]
fn comparisons_need_no_space() {
    let cases = [
        ("a=1 b != 2", "(all a=1 b!=2)"),
        ("a<1 AND b<=2", "(all a<1 b<=2)"),
        ("a > 1 AND b >= -2", "(all a>1 b>=-2)"),
        ("a:b:c", "a:b:c"),
        ("due_time<2026-06-15T10:00:00+02:00", "due_time<2026-06-15T10:00:00+02:00"),
        ("due_time:*", "due_time:*"),
        ("a = (b OR c)", "a=(any b c)"),
        ("a:(b AND -c)", "a:(all b (not c))"),
        ("a.b = c", "a.b=c"),
        ("well-known don't", "(all well-known don't)"),
    ];
    for (filter, expected) in cases {
        assert_eq!(parsed(filter), expected, "{filter}");
    }
}

#[test]
fn quotes_hold_anything_and_escapes_hold_quotes() {
    let cases = [
        (r#"a = "b AND (c)""#, r#"a="b AND (c)""#),
        (r#"a = 'it is "so"'"#, r#"a="it is \"so\"""#),
        (r#"a = "\"\\\n\t\'""#, r#"a="\"\\\n\t'""#),
        (r#"a = """#, r#"a="""#),
        (r#""AND""#, r#""AND""#),
    ];
    for (filter, expected) in cases {
        assert_eq!(parsed(filter), expected, "{filter}");
    }
}

#[test]
fn nothing_is_true_of_everything() {
    assert_eq!(parse("").unwrap(), None);
    assert_eq!(parse(" \t ").unwrap(), None);
}

#[test]
fn what_is_wrong_is_said_with_its_column() {
    let cases = [
        ("a AND", "at column 6: a condition is missing"),
        ("a AND AND b", "at column 7: AND stands where a condition is expected"),
        ("OR a", "at column 1: OR stands"),
        ("a OR", "at column 5: a condition is missing"),
        ("a NOT", "at column 6: a condition is missing"),
        ("NOT NOT a", "at column 5: NOT stands"),
        ("a =", "at column 4: a value is missing"),
        ("a = AND", "at column 5: AND stands where a value is expected"),
        ("a = = b", "at column 5: `=` stands"),
        ("= b", "at column 1: `=` stands"),
        ("(a", "at column 1: a parenthesis is opened"),
        ("a)", "at column 2: a parenthesis is closed"),
        ("()", "at column 2: `)` stands"),
        ("ü = \"b", "at column 5: a quote begins"),
        (r#"a = "\x""#, "at column 6: a backslash"),
        ("a ! b", "at column 3: `!`"),
        ("a, b", "at column 2: a comma"),
        ("a AND - b", "at column 8: `-` must be followed"),
        ("-", "at column 2: `-` must be followed"),
        ("x AND now()", "at column 7: there is no function `now`"),
    ];
    for (filter, expected) in cases {
        let problem = parse(filter).unwrap_err().to_string();
        assert!(problem.starts_with(expected), "{filter}: {problem}");
    }
}

#[test]
fn length_number_and_depth_have_a_limit() {
    let words = |count| vec!["a"; count].join(" ");
    assert!(parse(&words(LEAVES_MAX)).is_ok());
    assert!(parse(&words(LEAVES_MAX + 1)).unwrap_err().to_string().contains("at column 101: a filter has at most 50"));
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parsed(&nested(DEPTH_MAX)), "a");
    assert!(parse(&nested(DEPTH_MAX + 1)).unwrap_err().to_string().contains("at column 21: parentheses may be nested"));
    assert!(parse(&nested(1_900)).is_err());
    assert!(parse(&"a".repeat(LENGTH_MAX + 1)).unwrap_err().to_string().contains("4000 characters"));
}
