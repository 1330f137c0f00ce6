//! `${env:NAME}` and `${file:PATH}` in the texts of a configuration file: what stays out of the file.
//!
//! - Both may stand inside a text, and several in one. `$${env:` is the text `${env:` itself; any other `${` means
//!   nothing, because code is full of them.
//! - A variable is taken for what is never shown, a file for that and for code. All else is refused, and not looked at.
//! - A file is in the folder of the configuration file or below it, wherever links lead. One line break at its end is not
//!   part of the value.
//! - What a reference stands for is in no message.

use super::secret::Shown;
use std::path::{Component, Path};

/// A function's code, a certificate, a key: none is larger.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where the values come from.
pub struct Sources<'a> {
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Where paths begin.
    pub folder: &'a Path,
}

/// A reference that stands for nothing, or must not stand there: what is wrong, why, and how to mend it.
#[derive(Debug, PartialEq, Eq)]
pub struct Dangling {
    pub what: String,
    pub why: &'static str,
    pub mend: String,
}

#[derive(Clone, Copy)]
enum Kind {
    Environment,
    File,
}

const IS_NEEDED: &str = "what the file refers to has to be there when it is read";

const KINDS: [(&str, Kind); 2] = [("${env:", Kind::Environment), ("${file:", Kind::File)];

/// The text with its references replaced; `None` when it holds none. `shown`: what becomes of it.
pub fn resolve(text: &str, shown: Shown, from: &Sources<'_>) -> Result<Option<String>, Dangling> {
    let (mut out, mut rest, mut found) = (String::new(), text, false);
    while let Some((at, begin, kind)) = next(rest) {
        let (before, after) = (&rest[..at], &rest[at + begin.len()..]);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str(begin);
            rest = after;
            continue;
        }
        let Some((name, after)) = after.split_once('}') else {
            return Err(Dangling {
                what: format!("`{begin}` has no `}}`"),
                why: IS_NEEDED,
                mend: format!("close it, or write `${begin}` for the text itself"),
            });
        };
        let fits = match kind {
            Kind::Environment => shown == Shown::Never,
            Kind::File => shown != Shown::Yes,
        };
        if !fits {
            let of = if shown == Shown::Code { "code" } else { "a field that plans and exports show" };
            return Err(Dangling {
                what: format!("`{begin}` stands in {of}"),
                why: "a file that somebody else wrote could have anything of this machine shown by it",
                mend: format!("write the value itself, or `${begin}` for the text itself"),
            });
        }
        out.push_str(before);
        out.push_str(&match kind {
            Kind::Environment => variable(name, from)?,
            Kind::File => file(name, from)?,
        });
        (rest, found) = (after, true);
    }
    out.push_str(rest);
    Ok((found || out.len() != text.len()).then_some(out))
}

/// Whether a text holds a reference, and not only an escaped one.
pub fn refers(text: &str) -> bool {
    let mut rest = text;
    while let Some((at, begin, _)) = next(rest) {
        if !rest[..at].ends_with('$') {
            return true;
        }
        rest = &rest[at + begin.len()..];
    }
    false
}

/// The text as a file has to say it, so that nothing in it is taken for a reference.
pub fn escape(text: &str) -> String {
    let mut out = text.to_owned();
    for (begin, _) in KINDS {
        out = out.replace(begin, &format!("${begin}"));
    }
    out
}

fn next(text: &str) -> Option<(usize, &'static str, Kind)> {
    let found = KINDS.iter().filter_map(|(begin, kind)| Some((text.find(begin)?, *begin, *kind)));
    found.min_by_key(|(at, ..)| *at)
}

fn variable(name: &str, from: &Sources<'_>) -> Result<String, Dangling> {
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_name || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Dangling {
            what: format!("`{}` is no name of an environment variable", domicile_region::shown(name)),
            why: IS_NEEDED,
            mend: "use letters, digits and `_`, a letter first".to_owned(),
        });
    }
    (from.environment)(name).ok_or_else(|| Dangling {
        what: format!("the environment has no variable `{name}`"),
        why: IS_NEEDED,
        mend: format!("set it before the command: `{name}=… domicile …`"),
    })
}

fn file(name: &str, from: &Sources<'_>) -> Result<String, Dangling> {
    let path = from.folder.join(name);
    let shown = domicile_region::shown(&path.display().to_string());
    let fault = |what: String, mend: &str| Dangling { what, why: IS_NEEDED, mend: mend.to_owned() };
    let outside = || Dangling {
        what: format!("`{}` is outside of this file's folder", domicile_region::shown(name)),
        why: "a file that somebody else wrote could have anything of this machine read by it",
        mend: "put the value's file beside this one or below, and name it from here without `..`".to_owned(),
    };
    if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(outside());
    }
    let unread = |error: &std::io::Error| {
        fault(format!("`{shown}` can't be read: {error}"), "check the path; it begins at this file's folder")
    };
    let folder = std::fs::canonicalize(from.folder).map_err(|error| unread(&error))?;
    let path = std::fs::canonicalize(&path).map_err(|error| unread(&error))?;
    if !path.starts_with(&folder) {
        return Err(outside());
    }
    let about = std::fs::metadata(&path).map_err(|error| unread(&error))?;
    if !about.is_file() || about.len() > FILE_BYTES_MAX {
        return Err(fault(format!("`{shown}` is no file of at most 1 MiB"), "name the file that holds the value"));
    }
    let bytes = std::fs::read(&path).map_err(|error| unread(&error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| fault(format!("`{shown}` is not UTF-8 text"), "encode what is binary, for example as Base64"))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> String {
        resolved_in(Shown::Never, text)
    }

    fn resolved_in(shown: Shown, text: &str) -> String {
        let outer = tempfile::tempdir().expect("a folder");
        std::fs::write(outer.path().join("secret"), "theirs").expect("writes");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("key"), "from a file\n").expect("writes");
        std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).expect("writes");
        std::fs::create_dir(folder.path().join("below")).expect("a folder");
        std::os::unix::fs::symlink(outer.path().join("secret"), folder.path().join("link")).expect("a link");
        std::os::unix::fs::symlink(outer.path(), folder.path().join("way")).expect("a link");
        std::os::unix::fs::symlink("../key", folder.path().join("below/up")).expect("a link");
        let environment = |name: &str| (name == "KEY").then(|| "s3cret".to_owned());
        match resolve(text, shown, &Sources { environment: &environment, folder: folder.path() }) {
            Ok(None) => "as it is".to_owned(),
            Ok(Some(text)) => text,
            Err(dangling) => dangling.what.replace(&folder.path().display().to_string(), "."),
        }
    }

    #[test]
    fn references_stand_for_what_is_not_in_the_file() {
        for (text, expected) in [
            ("plain", "as it is"),
            ("costs $5 {net} `${name}`", "as it is"),
            ("${env:KEY}", "s3cret"),
            ("Bearer ${env:KEY}", "Bearer s3cret"),
            ("${env:KEY}/${file:key}", "s3cret/from a file"),
            ("$${env:KEY}", "${env:KEY}"),
            ("$$${env:KEY}", "$${env:KEY}"),
            ("a$${file:key}${env:KEY}", "a${file:key}s3cret"),
            ("${env:OTHER}", "the environment has no variable `OTHER`"),
            ("${env:}", "`` is no name of an environment variable"),
            ("${env:1A}", "`1A` is no name of an environment variable"),
            ("${env:A B}", "`A B` is no name of an environment variable"),
            ("${env:KEY", "`${env:` has no `}`"),
            ("${file:below/up}", "from a file"),
            ("${file:./key}", "from a file"),
            ("${file:/etc/hostname}", "`/etc/hostname` is outside of this file's folder"),
            ("${file:../key}", "`../key` is outside of this file's folder"),
            ("${file:below/../key}", "`below/../key` is outside of this file's folder"),
            ("${file:link}", "`link` is outside of this file's folder"),
            ("${file:way/secret}", "`way/secret` is outside of this file's folder"),
            ("${file:none}", "`./none` can't be read: No such file or directory (os error 2)"),
            ("${file:.}", "`./.` is no file of at most 1 MiB"),
            ("${file:binary}", "`./binary` is not UTF-8 text"),
        ] {
            assert_eq!(resolved(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_is_read_for_a_field_that_is_shown() {
        let shown = "stands in a field that plans and exports show";
        for (of, text, expected) in [
            (Shown::Yes, "${env:KEY}", format!("`${{env:` {shown}")),
            (Shown::Yes, "a ${file:key}", format!("`${{file:` {shown}")),
            (Shown::Yes, "${env:NONE}", format!("`${{env:` {shown}")),
            (Shown::Yes, "${file:none}", format!("`${{file:` {shown}")),
            (Shown::Yes, "$${env:KEY} ${name}", "${env:KEY} ${name}".to_owned()),
            (Shown::Code, "${file:key}", "from a file".to_owned()),
            (Shown::Code, "${env:KEY}", "`${env:` stands in code".to_owned()),
        ] {
            assert_eq!(resolved_in(of, text), expected, "{text}");
        }
    }

    #[test]
    fn a_text_that_was_escaped_comes_back() {
        for text in ["${env:KEY}", "$${env:KEY}", "${file:a}${env:b}", "${x}", "", "$"] {
            let back = resolved(&escape(text));
            assert_eq!(if back == "as it is" { escape(text) } else { back }, text);
            assert!(!refers(&escape(text)), "{text}");
        }
    }

    #[test]
    fn what_a_reference_yields_is_not_read_again() {
        let environment = |name: &str| (name == "A").then(|| "${env:A}".to_owned());
        let sources = Sources { environment: &environment, folder: Path::new(".") };
        assert_eq!(resolve("${env:A}", Shown::Never, &sources), Ok(Some("${env:A}".to_owned())));
    }
}
