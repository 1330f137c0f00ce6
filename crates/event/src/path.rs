//! Dotted paths as people write them: `context.page.url`. A backslash makes the next character plain.

use crate::fql::DEPTH_MAX;

/// What is wrong with a path, and how to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathFault {
    pub what: &'static str,
    pub mend: &'static str,
}

/// The steps of a path. Here, unlike in FQL, a space needs no backslash.
pub(crate) fn steps(path: &str) -> Result<Vec<String>, PathFault> {
    let mut steps = vec![String::new()];
    unescape(path, |character, plain| match steps.last_mut() {
        Some(step) if plain || character != '.' => step.push(character),
        _ => steps.push(String::new()),
    })?;
    if steps.iter().any(String::is_empty) {
        let mend = "write names with one dot between, as in `context.page`";
        return Err(PathFault { what: "the path has an empty step", mend });
    }
    if steps.len() > DEPTH_MAX {
        return Err(PathFault { what: "the path has more than 64 steps", mend: "name a field less deep" });
    }
    Ok(steps)
}

/// Calls `each` with every character that counts, and whether a backslash stood before it.
pub(crate) fn unescape(text: &str, mut each: impl FnMut(char, bool)) -> Result<(), PathFault> {
    let mut chars = text.chars();
    while let Some(character) = chars.next() {
        match (character, chars.as_str()) {
            ('\\', "") => {
                let mend = r"write a backslash itself as `\\`";
                return Err(PathFault { what: "nothing follows the backslash", mend });
            }
            ('\\', _) => chars.next().into_iter().for_each(|escaped| each(escaped, true)),
            _ => each(character, false),
        }
    }
    Ok(())
}
