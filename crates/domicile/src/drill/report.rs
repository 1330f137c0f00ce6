//! What a drill came to: for the terminal, as JSON, and as Markdown that can be filed.

use serde_json::{Value, json};

/// What one exercise came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was tried was refused, or is as it should be.
    Held,
    /// Something crossed, or could not be refused.
    Crossed,
    NotTried,
}

/// One way of breaking residency that was tried.
#[derive(Clone, Debug)]
pub struct Exercise {
    pub name: &'static str,
    pub tried: String,
    /// What happened, a sentence each.
    pub happened: Vec<String>,
    /// What must not be: nothing, where it held.
    pub findings: Vec<String>,
    /// Why nothing was tried.
    pub not_tried: Option<String>,
}

impl Exercise {
    pub fn new(name: &'static str, tried: impl Into<String>) -> Self {
        Self { name, tried: tried.into(), happened: Vec::new(), findings: Vec::new(), not_tried: None }
    }

    pub fn verdict(&self) -> Verdict {
        match (self.findings.is_empty(), &self.not_tried) {
            (false, _) => Verdict::Crossed,
            (true, Some(_)) => Verdict::NotTried,
            (true, None) => Verdict::Held,
        }
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Crossed => "crossed",
            Self::NotTried => "not_tried",
        }
    }

    fn told(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Crossed => "CROSSED",
            Self::NotTried => "not tried",
        }
    }
}

/// The ledger's signed head at the time of the drill.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    pub size: u64,
    pub root: String,
    pub note: String,
}

pub struct Report {
    pub region: String,
    /// For people.
    pub name: String,
    /// The cell's address.
    pub cell: String,
    pub at: String,
    pub program: String,
    pub checkpoint: Checkpoint,
    pub exercises: Vec<Exercise>,
}

/// What a drill never tries, and who does.
const NEVER: [&str; 3] = [
    "cut locations, a lying DNS server and packets on the wire: they need hosts of their own, and a network that may break; the \
     packet-level lab does them",
    "hostile answers of partners, headers and certificates: the program's own tests try them, with the same table of attacks",
    "what a partner does with what it was sent, and whether a declared country is true: no program inside can see it",
];

impl Report {
    pub fn held(&self) -> bool {
        self.exercises.iter().all(|exercise| exercise.verdict() != Verdict::Crossed)
    }

    fn verdict(&self) -> &'static str {
        if self.held() { "nothing crossed" } else { "SOMETHING CROSSED" }
    }

    pub fn text(&self) -> String {
        let mut text = format!("{}  {}\n", self.region, self.verdict());
        for exercise in &self.exercises {
            text.push_str(&format!("  {:<9} {}: {}\n", exercise.verdict().told(), exercise.name, exercise.tried));
            for line in &exercise.happened {
                text.push_str(&format!("              {line}\n"));
            }
            for finding in &exercise.findings {
                text.push_str(&format!("              FOUND: {finding}\n"));
            }
            if let Some(why) = &exercise.not_tried {
                text.push_str(&format!("              {why}\n"));
            }
        }
        for never in NEVER {
            text.push_str(&format!("  not tried {never}\n"));
        }
        let Checkpoint { size, root, .. } = &self.checkpoint;
        text.push_str(&format!(
            "  at {} by domicile {}, ledger of {size} entries, root {root}\n",
            self.at, self.program
        ));
        text
    }

    pub fn json(&self) -> Value {
        let exercises: Vec<_> = self
            .exercises
            .iter()
            .map(|exercise| {
                json!({
                    "name": exercise.name,
                    "verdict": exercise.verdict().word(),
                    "tried": exercise.tried,
                    "happened": exercise.happened,
                    "findings": exercise.findings,
                    "notTried": exercise.not_tried,
                })
            })
            .collect();
        let Checkpoint { size, root, note } = &self.checkpoint;
        json!({
            "region": self.region,
            "cell": self.cell,
            "at": self.at,
            "program": self.program,
            "held": self.held(),
            "checkpoint": { "size": size, "root": root, "note": note },
            "exercises": exercises,
            "neverTried": NEVER,
        })
    }

    pub fn markdown(&self) -> String {
        let Checkpoint { size, root, note } = &self.checkpoint;
        let mut text = format!("# Residency drill of {}: {}\n\n| | |\n| --- | --- |\n", self.region, self.verdict());
        for (name, value) in [
            ("date", self.at.as_str()),
            ("region", &format!("{} ({})", self.region, self.name)),
            ("cell", &self.cell),
            ("program", &format!("domicile {}", self.program)),
            ("ledger", &format!("{size} entries, root `{root}`")),
        ] {
            text.push_str(&format!("| {name} | {} |\n", cell(value)));
        }
        for (n, exercise) in self.exercises.iter().enumerate() {
            let (told, tried) = (exercise.verdict().told(), line(&exercise.tried));
            text.push_str(&format!("\n## {}. {}: {told}\n\nTried: {tried}.\n\n", n + 1, exercise.name));
            for happened in &exercise.happened {
                text.push_str(&format!("- {}\n", line(happened)));
            }
            for finding in &exercise.findings {
                text.push_str(&format!("- **Found:** {}\n", line(finding)));
            }
            if let Some(why) = &exercise.not_tried {
                text.push_str(&format!("- Not tried: {}\n", line(why)));
            }
        }
        text.push_str("\n## What no drill tries\n\n");
        for never in NEVER {
            text.push_str(&format!("- {never}\n"));
        }
        text.push_str(&format!(
            "\n## The ledger's checkpoint\n\n```text\n{}\n```\n",
            note.trim_end().replace('`', "'")
        ));
        text
    }
}

/// Names come from customers: none of them may be read as Markdown.
fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '#' | '|' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A table's cell that was written here, but for what ends it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut attacks = Exercise::new("Attacks on the border", "2 attacks");
        attacks.happened.push("2 refused".to_owned());
        let mut countries = Exercise::new("Countries", "1 way out");
        countries.findings.push("`x` <b>|\n# y goes to US".to_owned());
        let mut redirects = Exercise::new("Redirects", "nothing");
        redirects.not_tried = Some("--partners tries it".to_owned());
        Report {
            region: "eu-west".to_owned(),
            name: "EU West".to_owned(),
            cell: "http://127.0.0.1:7200".to_owned(),
            at: "2026-11-24T16:00:00.000Z".to_owned(),
            program: "0.1.0".to_owned(),
            checkpoint: Checkpoint { size: 3, root: "r=".to_owned(), note: "domicile/eu-west\n3\nr=\n".to_owned() },
            exercises: vec![attacks, countries, redirects],
        }
    }

    #[test]
    fn one_finding_is_enough_for_a_no_and_what_was_not_tried_is_none() {
        let mut report = report();
        assert!(!report.held());
        report.exercises.remove(1);
        assert!(report.held());
        assert_eq!(report.json()["exercises"][1]["verdict"], "not_tried");
    }

    #[test]
    fn a_report_to_file_has_date_cell_region_version_checkpoint_and_each_exercise_and_no_names_markup() {
        let text = report().markdown();
        for part in [
            "# Residency drill of eu-west: SOMETHING CROSSED\n",
            "| date | 2026-11-24T16:00:00.000Z |\n",
            "| region | eu-west (EU West) |\n",
            "| cell | http://127.0.0.1:7200 |\n",
            "| program | domicile 0.1.0 |\n",
            "| ledger | 3 entries, root `r=` |\n",
            "## 1. Attacks on the border: held\n\nTried: 2 attacks.\n\n- 2 refused\n",
            "- **Found:** \\`x\\` \\<b\\>\\| \\# y goes to US\n",
            "## 3. Redirects: not tried\n",
            "- Not tried: --partners tries it\n",
            "## What no drill tries\n",
            "```text\ndomicile/eu-west\n3\nr=\n```\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
