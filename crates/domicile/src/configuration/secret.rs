//! Which fields of a workspace file may be given by a reference: what a plan would otherwise show in clear, may not.
//!
//! A file can come from anybody, and `plan` is run on it before it is trusted: with a reference in a field that is shown,
//! it would read whatever the machine's environment holds.

use domicile_catalog::{Catalog, Kind, SettingType};
use domicile_control::is_secret_setting;
use domicile_region::yaml::{Node, Value};

/// What becomes of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is sealed: no plan and no export has it.
    Never,
    /// A function's code: shown, and kept in a file of its own.
    Code,
    Yes,
}

/// What becomes of the value at `path` of a file. What the catalog doesn't know is shown.
pub fn shown(root: &Node, path: &[String]) -> Shown {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let secret = match words[..] {
        ["functions", _, "code"] => return Shown::Code,
        ["transformations", _, "hashPropertiesConfiguration", "key"] => true,
        ["warehouses", _, "settings", setting] => {
            let entry = type_of(root, &words[..2]).and_then(|of| Catalog::get().find(Kind::Warehouse, of));
            let setting = entry.and_then(|entry| entry.setting(setting));
            setting.is_some_and(|setting| setting.secret || setting.setting_type == SettingType::Password)
        }
        ["sources", _, "destinations", _, "settings", setting] => {
            let entry = type_of(root, &words[..4]).and_then(|of| Catalog::get().find(Kind::Destination, of));
            entry.is_some_and(|entry| is_secret_setting(entry, setting))
        }
        _ => false,
    };
    if secret { Shown::Never } else { Shown::Yes }
}

/// The `type` of the thing at a path.
fn type_of<'a>(root: &'a Node, path: &[&str]) -> Option<&'a str> {
    let mut at = root;
    for name in path.iter().chain(&["type"]) {
        let Value::Map(pairs) = &at.value else { return None };
        at = pairs.iter().find(|(key, _)| key.text == *name).map(|(_, node)| node)?;
    }
    match &at.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domicile_region::{Report, yaml};

    #[test]
    fn only_what_is_sealed_and_code_may_come_from_elsewhere() {
        let text = "sources:\n  web:\n    destinations:\n      Hook: { type: webhook }\n      None: {}\n      \
                    Odd: { type: '${env:X}' }\nwarehouses:\n  Reports: { type: postgres }\n  Odd: { type: none }\n";
        let Ok(root) = yaml::parse(text, &mut Report::default()) else { panic!("{text}") };
        for (path, expected) in [
            ("sources/web/destinations/Hook/settings/sharedSecret", Shown::Never),
            ("sources/web/destinations/Hook/settings/url", Shown::Yes),
            ("sources/web/destinations/Hook/name", Shown::Yes),
            ("sources/web/destinations/Hook/settings/sharedSecret/deeper", Shown::Yes),
            ("sources/web/destinations/None/settings/sharedSecret", Shown::Yes),
            ("sources/web/destinations/Odd/settings/sharedSecret", Shown::Yes),
            ("sources/web/destinations/missing/settings/sharedSecret", Shown::Yes),
            ("sources/web/name", Shown::Yes),
            ("warehouses/Reports/settings/password", Shown::Never),
            ("warehouses/Reports/settings/hostname", Shown::Yes),
            ("warehouses/Odd/settings/password", Shown::Yes),
            ("functions/F/code", Shown::Code),
            ("functions/F/description", Shown::Yes),
            ("transformations/T/hashPropertiesConfiguration/key", Shown::Never),
            ("transformations/T/hashPropertiesConfiguration/algorithm", Shown::Yes),
            ("sharedSecret", Shown::Yes),
            ("", Shown::Yes),
        ] {
            let names: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(shown(&root, &names), expected, "{path}");
        }
    }
}
