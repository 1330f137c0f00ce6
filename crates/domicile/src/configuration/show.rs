//! A plan as lines for people. The cell has put no secret into it.

use super::import::Skipped;
use serde_json::Value;
use std::fmt::Write;

const VALUE_CHARS_MAX: usize = 80;
/// Things that are told as not in the file.
const DRIFT_MAX: usize = 50;

/// Whether anything would change; what is not in the file is no change.
pub fn changes(plan: &Value) -> bool {
    plan["steps"].as_array().is_some_and(|steps| !steps.is_empty())
}

/// What an import leaves out.
pub fn skipped(skipped: &[Skipped]) -> String {
    let mut out = String::new();
    if !skipped.is_empty() {
        // Writing to a text can't fail.
        let _ = writeln!(out, "can't be taken over as it is:");
    }
    for Skipped { what, why } in skipped {
        let _ = writeln!(out, "  {}: {why}", one_line(what));
    }
    out
}

pub fn plan(plan: &Value, prune: bool) -> String {
    let mut out = String::new();
    let steps = plan["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    for step in steps {
        let _ = write_step(&mut out, step);
    }
    let drift = plan["notInFile"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !drift.is_empty() {
        let _ = writeln!(out, "not in the file, and kept (--prune deletes them):");
        for thing in drift.iter().take(DRIFT_MAX) {
            let _ = writeln!(out, "  {} {}", text(thing, "kind"), text(thing, "path"));
        }
        if drift.len() > DRIFT_MAX {
            let _ = writeln!(out, "  and {} more (--json lists them)", drift.len() - DRIFT_MAX);
        }
    }
    if steps.is_empty() {
        let _ = writeln!(out, "nothing to change");
        return out;
    }
    let count = |action: &str| steps.iter().filter(|step| step["action"] == *action).count();
    let _ = write!(out, "{} to create, {} to change", count("create"), count("change"));
    let _ = match prune {
        true => writeln!(out, ", {} to delete", count("delete")),
        false => writeln!(out),
    };
    let residency = steps.iter().filter(|step| step["residency"].as_array().is_some_and(|notes| !notes.is_empty()));
    let residency = residency.count();
    if residency > 0 {
        let decide = if residency == 1 { "decides" } else { "decide" };
        let _ = writeln!(out, "{residency} of them {decide} where data goes: see the lines with `!`");
    }
    out
}

fn write_step(out: &mut String, step: &Value) -> std::fmt::Result {
    let sign = match step["action"].as_str() {
        Some("create") => '+',
        Some("delete") => '-',
        _ => '~',
    };
    writeln!(out, "{sign} {} {}", text(step, "kind"), text(step, "path"))?;
    for field in step["fields"].as_array().into_iter().flatten() {
        let name = text(field, "field");
        match (&field["before"], &field["after"]) {
            (Value::Null, after) => writeln!(out, "    {name}: {}", shown(after))?,
            (before, Value::Null) => writeln!(out, "    {name}: {} → nothing", shown(before))?,
            (before, after) => writeln!(out, "    {name}: {} → {}", shown(before), shown(after))?,
        }
    }
    for secret in step["secrets"].as_array().into_iter().flatten() {
        let state = match (sign, secret["changed"].as_bool()) {
            ('+', _) => "(set)",
            (_, Some(true)) => "(changed)",
            _ => "(unchanged)",
        };
        writeln!(out, "    {}: {state}", text(secret, "field"))?;
    }
    for note in step["residency"].as_array().into_iter().flatten() {
        writeln!(out, "    ! {}", one_line(note.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

fn text(value: &Value, field: &str) -> String {
    one_line(value[field].as_str().unwrap_or_default())
}

/// As JSON, which has no line breaks.
fn shown(value: &Value) -> String {
    let text = one_line(&value.to_string());
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Nothing in a file moves the cursor, or turns what stands beside it.
fn one_line(text: &str) -> String {
    let hides = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hides(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plan_reads_like_a_difference() {
        let shown = plan(
            &json!({
                "version": 17,
                "steps": [
                    {"action": "create", "kind": "source", "path": "sources.web", "name": "web",
                     "fields": [{"field": "type", "before": null, "after": "website"}], "secrets": [], "residency": []},
                    {"action": "change", "kind": "destination", "path": "sources.a.destinations.H\u{202e}\u{1b}[2J", "name": "H",
                     "fields": [
                        {"field": "settings.url", "before": "https://a", "after": "https://b"},
                        {"field": "settings.country", "before": "IE", "after": null},
                        {"field": "settings.text", "before": null, "after": "x".repeat(500)},
                     ],
                     "secrets": [{"field": "settings.sharedSecret", "changed": true}, {"field": "settings.other", "changed": false}],
                     "residency": ["data goes to b"]},
                    {"action": "delete", "kind": "filter", "path": "sources.a.destinations.H.filters.F", "name": "F",
                     "fields": [], "secrets": [], "residency": []},
                ],
                "notInFile": [{"kind": "label", "path": "labels.a:b", "name": "a:b"}],
            }),
            true,
        );
        let long = format!("\"{}…", "x".repeat(79));
        let expected = format!(
            "+ source sources.web\n    type: \"website\"\n\
             ~ destination sources.a.destinations.H\u{fffd}\u{fffd}[2J\n    settings.url: \"https://a\" → \"https://b\"\n    \
             settings.country: \"IE\" → nothing\n    settings.text: {long}\n    settings.sharedSecret: (changed)\n    \
             settings.other: (unchanged)\n    ! data goes to b\n\
             - filter sources.a.destinations.H.filters.F\n\
             not in the file, and kept (--prune deletes them):\n  label labels.a:b\n\
             1 to create, 1 to change, 1 to delete\n\
             1 of them decides where data goes: see the lines with `!`\n"
        );
        assert_eq!(shown, expected);
        assert_eq!(plan(&json!({"steps": [], "notInFile": []}), false), "nothing to change\n");
    }
}
