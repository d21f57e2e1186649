//! The words of a text, as full-text search compares them.
//!
//! Both databases are given the words that this finds, so that both find the same. A word is what stands between
//! characters that are neither letters nor digits, folded. Scripts without spaces have no words in this sense: a run of
//! their characters counts as one.

use std::collections::BTreeSet;

use caseless::Caseless as _;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Which rules [`fold`] goes by. What is stored folded is renewed where they are newer.
pub const FOLDING_VERSION: u8 = 1;

/// A longer word is known by its beginning.
const WORD_CHARACTERS_MAX: usize = 64;

/// A word to look for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Word {
    /// Folded: letters and digits, at least one.
    pub text: String,
    /// Whether longer words that begin so are meant too.
    pub is_prefix: bool,
}

/// Text in the form in which it is compared: without regard to case and to how its characters are written, which is a
/// compatibility caseless match of Unicode (section 3.13, D147).
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfd().default_case_fold().nfkc().default_case_fold().nfkc().collect()
}

/// The different words of `text`, in order.
pub fn of(text: &str) -> BTreeSet<String> {
    split(&fold(text)).collect()
}

/// What someone who types `text` looks for: all its words. With `is_typing`, the last one may not be complete.
pub fn wanted(text: &str, is_typing: bool) -> Vec<Word> {
    let folded = fold(text);
    let mut words: Vec<Word> = split(&folded).map(|text| Word { text, is_prefix: false }).collect();
    // A space after it says that it is complete.
    if let Some(last) = words.last_mut() {
        last.is_prefix = is_typing && folded.ends_with(is_of_word);
    }
    words
}

fn split(folded: &str) -> impl Iterator<Item = String> {
    folded
        .split(|character: char| !is_of_word(character))
        .filter(|word| !word.is_empty())
        .map(|word| word.chars().take(WORD_CHARACTERS_MAX).collect())
}

/// Marks that have no composed form belong to the letter before them.
fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || is_combining_mark(character)
}

#[cfg(test)]
mod tests {
    use proptest::proptest;

    use super::*;

    proptest! {
        #[test]
        fn folding_what_is_folded_changes_nothing(text: String) {
            assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }

    #[test]
    fn what_reads_the_same_is_the_same() {
        for (one, other) in [
            ("cafe\u{301}", "CAFÉ"),
            ("STRASSE", "straße"),
            ("ΟΔΟΣ", "οδος"),
            ("ﬁle", "File"),
            ("ＡＢＣ１", "abc1"),
            ("\u{1100}\u{1161}", "가"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("cafe"), fold("café"), "accents count");
    }

    #[test]
    fn marks_belong_to_their_letters() {
        assert_eq!(words("x\u{302}y हिन्दी"), ["x\u{302}y", "हिन्दी"]);
    }

    fn words(text: &str) -> Vec<String> {
        of(text).into_iter().collect()
    }

    #[test]
    fn words_are_folded_and_counted_once() {
        assert_eq!(words("Write the report; write it WELL."), ["it", "report", "the", "well", "write"]);
        assert_eq!(words("Über-Größe, naïve 東京 v1.2"), ["2", "grösse", "naïve", "v1", "über", "東京"]);
        assert_eq!(words(" -- !? "), [""; 0]);
    }

    #[test]
    fn a_long_word_is_known_by_its_beginning() {
        let long = "ü".repeat(WORD_CHARACTERS_MAX + 1);
        assert_eq!(words(&long), ["ü".repeat(WORD_CHARACTERS_MAX)]);
    }

    #[test]
    fn the_word_that_is_being_typed_may_be_a_beginning() {
        let prefixes = |text, is_typing| wanted(text, is_typing).iter().map(|word| word.is_prefix).collect::<Vec<_>>();
        assert_eq!(prefixes("write rep", true), [false, true]);
        assert_eq!(prefixes("write rep ", true), [false, false]);
        assert_eq!(prefixes("write rep", false), [false, false]);
        assert_eq!(wanted(" ?", true), []);
    }
}
