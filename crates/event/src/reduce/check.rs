//! A transfer's fields as an operator writes them, and what may be wrong with them.

use super::{ALWAYS, Allowed, Draft, Reduction, Rules};
use crate::path::steps;
use std::sync::Arc;

/// Paths of one list.
pub const PATHS_MAX: usize = 100;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}; mend: {mend}")]
pub struct ReduceFault {
    pub at: FaultAt,
    pub what: String,
    /// Why it matters.
    pub why: &'static str,
    pub mend: String,
}

/// The place in the fields: `allow`, and the how manieth of its paths from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultAt {
    /// `allow`, `deny`, `hash`; empty for all of them.
    pub list: &'static str,
    pub path: Option<usize>,
}

impl std::fmt::Display for FaultAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.list, self.path) {
            ("", _) => f.write_str("fields"),
            (list, None) => f.write_str(list),
            (list, Some(path)) => write!(f, "{list}.{path}"),
        }
    }
}

const MISREAD: &str = "a path that names nothing would let out what it was to keep, or keep what it was to let out";
const CONTRADICTS: &str = "one of the two would not do what it says";

impl Reduction {
    /// Checks what was written.
    ///
    /// # Errors
    /// All that is wrong, in the order of the lists.
    pub fn check(draft: &Draft) -> Result<Self, Vec<ReduceFault>> {
        let mut check = Check { faults: Vec::new() };
        if *draft == Draft::default() {
            check.add("", None, "no field is named", "the transfer would let out everything", {
                "name fields under `allow`, `deny` or `hash`, or leave `fields` out".to_owned()
            });
        }
        let allow = draft.allow.as_ref().map(|paths| check.list("allow", paths));
        let deny = check.list_of("deny", draft.deny.as_deref());
        let hash = check.list_of("hash", draft.hash.as_deref());
        let parted: Vec<Vec<String>> = deny.iter().map(|(_, steps)| part(steps)).collect();
        for (place, path) in deny.iter().filter(|(_, path)| matches!(part(path).as_slice(), [one] if is_always(one))) {
            let (what, why) = (format!("`{}` can't be denied", path.join(".")), "an event is not one without it");
            check.add("deny", Some(*place), what, why, "hash `messageId`, or leave it out".to_owned());
        }
        for (list, paths) in [("allow", allow.as_deref().unwrap_or_default()), ("hash", &hash)] {
            for (place, path) in paths {
                let steps = part(path);
                if let Some(by) = (1..=steps.len()).find_map(|end| parted.iter().find(|no| steps[..end].ends_with(no)))
                {
                    let (path, by) = (path.join("."), by.join("."));
                    let what = format!("`{path}` never goes out, because `deny` has `{by}`");
                    check.add(list, Some(*place), what, CONTRADICTS, "remove one of the two".to_owned());
                }
            }
        }
        for (place, path) in hash
            .iter()
            .filter(|(_, path)| matches!(part(path).as_slice(), [one] if one == "type" || one == "timestamp"))
        {
            let what = format!("`{}` can't be hashed", path.join("."));
            check.add("hash", Some(*place), what, "it names nobody, and the event is not one without it", {
                "leave it out".to_owned()
            });
        }
        if !check.faults.is_empty() {
            return Err(check.faults);
        }
        let allow = allow.map(|mut allow| {
            // What goes out changed is let out.
            allow.extend(hash.iter().cloned());
            let ip = || vec!["context".to_owned(), "ip".to_owned()];
            allow.extend(draft.truncate_ip.then(|| (0, ip())));
            Allowed::of(allow.iter().map(|(_, steps)| steps.as_slice()))
        });
        let hash = hash.iter().map(|(_, steps)| part(steps)).collect();
        Ok(Self(Arc::new(Rules { draft: draft.clone(), allow, deny: parted, hash })))
    }
}

/// The steps of a path with each parted at its dots.
fn part(steps: &[String]) -> Vec<String> {
    steps.iter().flat_map(|step| step.split('.')).map(str::to_owned).collect()
}

fn is_always(name: &str) -> bool {
    ALWAYS.contains(&name)
}

struct Check {
    faults: Vec<ReduceFault>,
}

/// Paths that can be read, each with its place in its list.
type Paths = Vec<(usize, Vec<String>)>;

impl Check {
    fn add(
        &mut self,
        list: &'static str,
        path: Option<usize>,
        what: impl Into<String>,
        why: &'static str,
        mend: String,
    ) {
        self.faults.push(ReduceFault { at: FaultAt { list, path }, what: what.into(), why, mend });
    }

    fn list_of(&mut self, name: &'static str, paths: Option<&[String]>) -> Paths {
        paths.map(|paths| self.list(name, paths)).unwrap_or_default()
    }

    fn list(&mut self, name: &'static str, paths: &[String]) -> Paths {
        if paths.is_empty() {
            let why = "it is not clear whether all is meant or nothing";
            self.add(name, None, format!("`{name}` is empty"), why, format!("name a field, or leave `{name}` out"));
        }
        if paths.len() > PATHS_MAX {
            let why = "each event is compared with each path";
            let what = format!("`{name}` has more than {PATHS_MAX} paths");
            self.add(name, None, what, why, "name the object that holds them".to_owned());
            return Vec::new();
        }
        let mut read: Paths = Vec::with_capacity(paths.len());
        for (place, path) in paths.iter().enumerate() {
            match steps(path) {
                Err(fault) => self.add(name, Some(place), fault.what, MISREAD, fault.mend.to_owned()),
                Ok(steps) if read.iter().any(|(_, other)| *other == steps) => {
                    self.add(name, Some(place), format!("`{path}` is here twice"), MISREAD, "remove one".to_owned());
                }
                Ok(steps) => read.push((place, steps)),
            }
        }
        read
    }
}
