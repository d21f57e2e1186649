//! What the contract's comments say about its elements.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, FileDescriptor};

/// The comments of all files.
#[derive(Debug)]
pub(super) struct Comments {
    /// By file, and then by the element's path within its descriptor.
    by_file: HashMap<String, HashMap<Vec<i32>, String>>,
}

impl Comments {
    /// Empty for a descriptor set that was made without source information.
    pub(super) fn new(pool: &DescriptorPool) -> Self {
        let by_file = pool.files().map(|file| (file.name().to_owned(), comments_of(&file))).collect();
        Self { by_file }
    }

    /// The comment before an element or, where there is none, beside it.
    pub(super) fn of(&self, file: &FileDescriptor, path: &[i32]) -> Option<&str> {
        self.by_file.get(file.name())?.get(path).map(String::as_str)
    }
}

fn comments_of(file: &FileDescriptor) -> HashMap<Vec<i32>, String> {
    let locations = file.file_descriptor_proto().source_code_info.iter().flat_map(|info| &info.location);
    locations
        .filter_map(|location| {
            let comment = location.leading_comments.as_deref().or(location.trailing_comments.as_deref())?;
            let text = unindented(comment);
            (!text.is_empty()).then(|| (location.path.clone(), text))
        })
        .collect()
}

/// Without the space that follows the slashes. Lines stay lines: the text is Markdown.
fn unindented(comment: &str) -> String {
    let lines: Vec<&str> = comment.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim().to_owned()
}
