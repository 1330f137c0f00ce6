//! The cell's document as the text of a workspace file.
//!
//! - A secret is never written: where one is set stands the environment variable that the next `apply` takes it from.
//! - What is written reads back as what it was: texts that would be read as something else are quoted.

use super::reference;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt::Write;

/// What the first lines of a file say about its making.
pub struct Made<'a> {
    /// ISO 8601.
    pub at: &'a str,
    pub cell: &'a str,
    /// The configuration version that the file shows.
    pub version: u64,
}

/// The file's text. `secrets`: the paths of the secrets that are set, which the document lacks.
pub fn workspace_file(document: &Map<String, Value>, secrets: &[Vec<String>], made: &Made<'_>) -> String {
    let mut document = Value::Object(document.clone());
    escape(&mut document);
    let mut taken = HashSet::new();
    let mut variables = Vec::new();
    for path in secrets {
        let name = variable(path, &mut taken);
        put(&mut document, path, Value::String(format!("${{env:{name}}}")));
        variables.push(name);
    }
    let mut text = String::new();
    let Made { at, cell, version } = made;
    // Writing to a text can't fail.
    let _ = writeln!(text, "# A workspace's configuration, written by `domicile export` {}", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(text, "# at {at} from {}, configuration version {version}.", one_line(cell));
    let _ = writeln!(text, "# `domicile plan -f` shows what it would change, `domicile apply -f` changes it.");
    if !variables.is_empty() {
        let _ = writeln!(
            text,
            "#\n# Secrets are not exported. Without one in the file it stays as it is; to set it, set the variable:"
        );
        for name in &variables {
            let _ = writeln!(text, "#   {name}");
        }
    }
    text.push('\n');
    text.push_str(&serde_saphyr::to_string(&document).unwrap_or_default());
    text
}

/// Every text as a file has to say it.
fn escape(value: &mut Value) {
    match value {
        Value::String(text) => *text = reference::escape(text),
        Value::Array(items) => items.iter_mut().for_each(escape),
        Value::Object(map) => map.values_mut().for_each(escape),
        _ => {}
    }
}

/// Puts a value at a path whose last name is not there yet. A path that leads nowhere is left.
fn put(document: &mut Value, path: &[String], value: Value) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = document;
    for name in parents {
        let next = match at {
            Value::Object(map) => map.get_mut(name),
            Value::Array(items) => name.parse().ok().and_then(|index: usize| items.get_mut(index)),
            _ => None,
        };
        match next {
            Some(next) => at = next,
            None => return,
        }
    }
    if let Value::Object(map) = at {
        map.insert(last.clone(), value);
    }
}

/// `sources.web.destinations.Hook.settings.sharedSecret` → `WEB_HOOK_SHARED_SECRET`; no two alike.
pub fn variable(path: &[String], taken: &mut HashSet<String>) -> String {
    const SECTIONS: [&str; 7] = [
        "sources",
        "destinations",
        "warehouses",
        "functions",
        "transformations",
        "settings",
        "hashPropertiesConfiguration",
    ];
    let mut name = String::new();
    for (place, part) in path.iter().enumerate() {
        // Names and sections take turns: a source may be called `settings`.
        if place % 2 == 0 && SECTIONS.contains(&part.as_str()) {
            continue;
        }
        if !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        let mut before = '_';
        for c in part.chars() {
            if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
                name.push('_');
            }
            if c.is_ascii_alphanumeric() {
                name.push(c.to_ascii_uppercase());
            } else if !name.is_empty() && !name.ends_with('_') {
                name.push('_');
            }
            before = c;
        }
    }
    let name = name.trim_end_matches('_');
    let first = match name.chars().next() {
        Some(c) if c.is_ascii_alphabetic() => name.to_owned(),
        _ => format!("SECRET_{name}").trim_end_matches('_').to_owned(),
    };
    let unique = (2..).map(|n| format!("{first}_{n}"));
    let free = std::iter::once(first.clone()).chain(unique).find(|name| !taken.contains(name)).unwrap_or(first);
    taken.insert(free.clone());
    free
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::file::WorkspaceFile;
    use crate::configuration::reference::Sources;
    use serde_json::json;
    use std::path::Path;

    const MADE: Made<'_> = Made { at: "2026-11-24T10:00:00.000Z", cell: "http://127.0.0.1:7200", version: 17 };

    fn read(text: &str) -> WorkspaceFile {
        let environment = |name: &str| Some(format!("value of {name}"));
        let sources = Sources { environment: &environment, folder: Path::new(".") };
        WorkspaceFile::read("w.yml", text, &sources).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
    }

    #[test]
    fn what_is_written_reads_back_as_it_was() {
        let odd = [
            "",
            " ",
            "a",
            " a ",
            "true",
            "NO",
            "null",
            "~",
            "12",
            "1.5",
            "1e3",
            "0x1f",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "[a",
            "{a}",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "'",
            "\"",
            "\\",
            "a\nb",
            "a\nb\n",
            "\n",
            "a\n\n\n",
            "\ta",
            "  a\n b",
            "a\r\nb",
            "${env:A}",
            "$${file:x}",
            "${a}",
            "\u{feff}x",
            "\u{85}",
            "\u{2028}",
            "\u{7f}",
            "\u{1}",
            "\u{202e}rtl",
            "ключ",
            "🦀",
            "2027-06-30",
            "---",
            "...",
            "? a",
            "| a",
            "> a",
            "a:",
            ":a",
            "=",
            "<<",
        ];
        let values: Map<String, Value> =
            odd.iter().map(|text| ((*text).to_owned(), json!([text, { *text: text }]))).collect();
        let document = json!({
            "texts": values,
            "numbers": [0, -1, 1.5, u64::MAX, i64::MIN, 1e300],
            "others": { "null": null, "empty": {}, "none": [], "true": true, "nested": [[1], [[]], [{}]] },
        });
        let document = document.as_object().expect("an object").clone();
        let text = workspace_file(&document, &[], &MADE);
        assert_eq!(Value::Object(read(&text).document), Value::Object(document), "{text}");
    }

    #[test]
    fn a_secret_is_named_by_the_variable_to_set() {
        let hook = json!({ "type": "webhook", "settings": { "url": "u" } });
        let document = json!({ "sources": { "web": { "destinations": { "My Hook": hook } } } });
        let path =
            ["sources", "web", "destinations", "My Hook", "settings", "sharedSecret"].map(str::to_owned).to_vec();
        let text = workspace_file(document.as_object().expect("an object"), std::slice::from_ref(&path), &MADE);
        assert!(text.contains("sharedSecret: ${env:WEB_MY_HOOK_SHARED_SECRET}"), "{text}");
        let file = read(&text);
        assert_eq!(file.referenced, [path]);
        assert_eq!(
            file.document["sources"]["web"]["destinations"]["My Hook"]["settings"]["sharedSecret"],
            "value of WEB_MY_HOOK_SHARED_SECRET"
        );
    }

    #[test]
    fn no_two_variables_have_one_name() {
        let mut taken = HashSet::new();
        let mut name = |path: &[&str]| variable(&path.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>(), &mut taken);
        assert_eq!(name(&["warehouses", "My PG", "settings", "password"]), "MY_PG_PASSWORD");
        assert_eq!(name(&["warehouses", "my-pg", "settings", "password"]), "MY_PG_PASSWORD_2");
        assert_eq!(name(&["sources", "settings", "settings", "apiKey"]), "SETTINGS_API_KEY");
        assert_eq!(name(&["sources", "1&1", "settings", "ключ"]), "SECRET_1_1");
        assert_eq!(name(&["sources", "…", "settings", "…"]), "SECRET");
    }
}
