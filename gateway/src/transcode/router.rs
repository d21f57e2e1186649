//! Finds the route of a verb and a path.
//!
//! Templates share a trie whose edges are segments without the variables' names, so `/tasks/{id}` and
//! `/tasks/{task.id}` meet in one node. Literals are tried before `*`, and `*` before `**`, with a way back: a path that
//! a literal leads astray still finds its wildcard.

use std::collections::HashMap;

use super::percent::decode_all;
use super::template::{Segment, Template};

/// The trie.
#[derive(Debug)]
pub(super) struct Router {
    nodes: Vec<Node>,
}

/// What the trie says of a verb and a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Route(usize),
    WrongMethod(Vec<String>),
    Nothing,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, usize>,
    any: Option<usize>,
    /// What `**` leads to.
    rest: Vec<Leaf>,
    leaves: Vec<Leaf>,
}

/// A template's end.
#[derive(Debug)]
struct Leaf {
    /// `*` for any.
    method: String,
    verb: Option<String>,
    route: usize,
}

/// One look-up under way.
struct Search<'a> {
    method: &'a str,
    verb: Option<&'a str>,
    /// The methods that the path was found under, none of which is the one asked for.
    allowed: Vec<&'a str>,
}

impl Router {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// Adds a route. Returns the one that it replaces, as the later of two equal templates wins.
    pub(super) fn insert(&mut self, method: &str, template: &Template, route: usize) -> Option<usize> {
        let mut node = 0;
        let mut ends_in_rest = false;
        for segment in &template.segments {
            match segment {
                Segment::AnyRest => ends_in_rest = true,
                _ => node = self.child(node, segment),
            }
        }
        let node = &mut self.nodes[node];
        let leaves = if ends_in_rest { &mut node.rest } else { &mut node.leaves };
        if let Some(leaf) = leaves.iter_mut().find(|leaf| leaf.method == method && leaf.verb == template.verb) {
            return Some(std::mem::replace(&mut leaf.route, route));
        }
        leaves.push(Leaf { method: method.to_owned(), verb: template.verb.clone(), route });
        None
    }

    /// Finds the route of a raw path, which begins with a slash.
    ///
    /// Where some template ends in `:verb` and fits, the text after the path's last colon is that verb, whatever the
    /// method: `GET /tasks/1:complete` is the wrong method, not the task `1:complete`.
    pub(super) fn find(&self, method: &str, path: &str) -> Found {
        let Some(segments) = split(path) else { return Found::Nothing };
        let with_verb = segments.split_last().and_then(|(last, front)| {
            let (last, verb) = last.rsplit_once(':')?;
            Some(([front, &[last]].concat(), verb))
        });
        if let Some((segments, verb)) = with_verb {
            match self.search(method, Some(verb), &segments) {
                Found::Nothing => {}
                found => return found,
            }
        }
        self.search(method, None, &segments)
    }

    fn search(&self, method: &str, verb: Option<&str>, segments: &[&str]) -> Found {
        let mut search = Search { method, verb, allowed: Vec::new() };
        if let Some(route) = self.walk(0, segments, &mut search) {
            return Found::Route(route);
        }
        if search.allowed.is_empty() {
            return Found::Nothing;
        }
        search.allowed.sort_unstable();
        search.allowed.dedup();
        Found::WrongMethod(search.allowed.into_iter().map(str::to_owned).collect())
    }

    fn walk<'a>(&'a self, node: usize, segments: &[&str], search: &mut Search<'a>) -> Option<usize> {
        let node = &self.nodes[node];
        let onward = match segments.split_first() {
            None => search.among(&node.leaves),
            Some((segment, rest)) => {
                let literal = decode_all(segment).and_then(|literal| node.literals.get(literal.as_ref()));
                literal.and_then(|&child| self.walk(child, rest, search)).or_else(|| {
                    let any = node.any.filter(|_| !segment.is_empty());
                    any.and_then(|child| self.walk(child, rest, search))
                })
            }
        };
        onward.or_else(|| search.among(&node.rest))
    }

    fn child(&mut self, node: usize, segment: &Segment) -> usize {
        let next = self.nodes.len();
        let slot = match segment {
            Segment::Literal(literal) => self.nodes[node].literals.entry(literal.clone()).or_insert(next),
            Segment::Any | Segment::AnyRest => self.nodes[node].any.get_or_insert(next),
        };
        let child = *slot;
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }
}

impl<'a> Search<'a> {
    fn among(&mut self, leaves: &'a [Leaf]) -> Option<usize> {
        let fitting = || leaves.iter().filter(|leaf| leaf.verb.as_deref() == self.verb);
        let exact = fitting().find(|leaf| leaf.method == self.method);
        let found = exact.or_else(|| fitting().find(|leaf| leaf.method == "*"));
        if found.is_none() {
            let methods: Vec<_> = fitting().map(|leaf| leaf.method.as_str()).collect();
            self.allowed.extend(methods);
        }
        found.map(|leaf| leaf.route)
    }
}

/// The raw segments of a path; `None` if it does not begin with a slash.
pub(super) fn split(path: &str) -> Option<Vec<&str>> {
    match path.strip_prefix('/')? {
        "" => Some(Vec::new()),
        path => Some(path.split('/').collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(&str, &str)]) -> Router {
        let mut router = Router::new();
        for (route, (method, template)) in routes.iter().enumerate() {
            router.insert(method, &template.parse().unwrap(), route);
        }
        router
    }

    fn wrong(methods: &[&str]) -> Found {
        Found::WrongMethod(methods.iter().map(|&method| method.to_owned()).collect())
    }

    #[test]
    fn literals_go_before_wildcards_and_lead_back_to_them() {
        let router = router(&[
            ("GET", "/v1/{name=**}"),
            ("GET", "/v1/tasks/{id}"),
            ("GET", "/v1/tasks/recent"),
            ("GET", "/v1/tasks/recent/notes"),
            ("GET", "/v1/tasks/{id}/tags"),
        ]);
        assert_eq!(router.find("GET", "/v1/tasks/recent"), Found::Route(2));
        assert_eq!(router.find("GET", "/v1/tasks/7"), Found::Route(1));
        assert_eq!(router.find("GET", "/v1/tasks/recent/tags"), Found::Route(4));
        assert_eq!(router.find("GET", "/v1/tasks/7/other/deep"), Found::Route(0));
        assert_eq!(router.find("GET", "/v1"), Found::Route(0));
        assert_eq!(router.find("GET", "/v2"), Found::Nothing);
        assert_eq!(router.find("GET", "v1"), Found::Nothing);
    }

    #[test]
    fn one_place_may_have_several_names() {
        let router = router(&[("GET", "/v1/tasks/{id}"), ("PATCH", "/v1/tasks/{task.id}")]);
        assert_eq!(router.find("GET", "/v1/tasks/7"), Found::Route(0));
        assert_eq!(router.find("PATCH", "/v1/tasks/7"), Found::Route(1));
        assert_eq!(router.find("POST", "/v1/tasks/7"), wrong(&["GET", "PATCH"]));
    }

    #[test]
    fn verbs_bind_tighter_than_variables() {
        let router = router(&[
            ("GET", "/v1/tasks/{id}"),
            ("POST", "/v1/tasks/{id}:complete"),
            ("POST", "/v1/tasks:batch"),
            ("GET", "/v1/files/{name=**}"),
            ("POST", "/v1/files/{name=**}:copy"),
        ]);
        assert_eq!(router.find("POST", "/v1/tasks/7:complete"), Found::Route(1));
        assert_eq!(router.find("GET", "/v1/tasks/7:complete"), wrong(&["POST"]));
        assert_eq!(router.find("GET", "/v1/tasks/urn:7"), Found::Route(0));
        assert_eq!(router.find("GET", "/v1/tasks/7%3Acomplete"), Found::Route(0));
        assert_eq!(router.find("POST", "/v1/tasks:batch"), Found::Route(2));
        assert_eq!(router.find("POST", "/v1/tasks:other"), Found::Nothing);
        assert_eq!(router.find("POST", "/v1/files/a/b:copy"), Found::Route(4));
        assert_eq!(router.find("GET", "/v1/files/a/b:c"), Found::Route(3));
    }

    #[test]
    fn empty_segments_fill_no_variable() {
        let router = router(&[("GET", "/v1/tasks/{id}"), ("GET", "/v1/{a}/x")]);
        assert_eq!(router.find("GET", "/v1/tasks/"), Found::Nothing);
        assert_eq!(router.find("GET", "/v1//x"), Found::Nothing);
        assert_eq!(router.find("GET", "/v1/tasks/7/"), Found::Nothing);
    }

    #[test]
    fn any_method_yields_to_the_named_one() {
        let router = router(&[("*", "/v1/a"), ("GET", "/v1/a")]);
        assert_eq!(router.find("GET", "/v1/a"), Found::Route(1));
        assert_eq!(router.find("OPTIONS", "/v1/a"), Found::Route(0));
    }

    #[test]
    fn the_later_of_equal_templates_wins() {
        let mut router = router(&[("GET", "/v1/{a}")]);
        assert_eq!(router.insert("GET", &"/v1/{b}".parse().unwrap(), 1), Some(0));
        assert_eq!(router.find("GET", "/v1/x"), Found::Route(1));
    }

    #[test]
    fn literals_are_compared_decoded() {
        let router = router(&[("GET", "/v1/a b"), ("GET", "/v1/c")]);
        assert_eq!(router.find("GET", "/v1/a%20b"), Found::Route(0));
        assert_eq!(router.find("GET", "/v1/%63"), Found::Route(1));
    }
}
