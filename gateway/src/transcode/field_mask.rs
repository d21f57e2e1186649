//! Field masks as JSON writes them: paths in camel case, joined by commas.

/// Appends a path, `due_time` as `dueTime`; `None` if that could not be turned back.
pub(super) fn to_camel_case(out: &mut String, path: &str) -> Option<()> {
    let mut is_after_underscore = false;
    for character in path.chars() {
        match character {
            '_' if is_after_underscore => return None,
            '_' => is_after_underscore = true,
            'A'..='Z' => return None,
            'a'..='z' if is_after_underscore => {
                out.push(character.to_ascii_uppercase());
                is_after_underscore = false;
            }
            _ if is_after_underscore => return None,
            _ => out.push(character),
        }
    }
    (!is_after_underscore).then_some(())
}

/// The paths of a mask, `dueTime` as `due_time`; `None` if it holds an underscore, which the JSON form never does.
pub(super) fn parse(mask: &str) -> Option<Vec<String>> {
    if mask.contains('_') { None } else { Some(parse_lenient(mask)) }
}

/// As [`parse`], for query strings, where people also write the declared names.
pub(super) fn parse_lenient(mask: &str) -> Vec<String> {
    mask.split(',').filter(|path| !path.is_empty()).map(to_snake_case).collect()
}

fn to_snake_case(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 4);
    for character in path.chars() {
        if character.is_ascii_uppercase() {
            out.push('_');
            out.push(character.to_ascii_lowercase());
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camel(path: &str) -> Option<String> {
        let mut out = String::new();
        to_camel_case(&mut out, path)?;
        Some(out)
    }

    #[test]
    fn paths_turn_to_camel_case_and_back() {
        for (snake, camel_case) in [("title", "title"), ("due_time", "dueTime"), ("a_b.c_d", "aB.cD"), ("", "")] {
            assert_eq!(camel(snake).as_deref(), Some(camel_case));
            assert_eq!(to_snake_case(camel_case), snake);
        }
    }

    #[test]
    fn paths_that_would_not_turn_back_are_refused() {
        for path in ["dueTime", "foo_3_bar", "foo__bar", "foo_"] {
            assert_eq!(camel(path), None, "{path}");
        }
    }

    #[test]
    fn declared_names_are_taken_in_queries_only() {
        assert_eq!(parse("title,dueTime").unwrap(), ["title", "due_time"]);
        assert_eq!(parse("due_time"), None);
        assert_eq!(parse_lenient("due_time,,dueTime"), ["due_time", "due_time"]);
    }
}
