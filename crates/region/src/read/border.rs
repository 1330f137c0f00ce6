//! What may leave a region: `border.allow` and `border.transfers`.

use super::Reader;
use crate::fault::{Read, nearest, shown};
use crate::fields::{self, Fields};
use crate::topology::{BorderPolicy, Transfer};
use crate::yaml::{Node, Value};
use crate::{Country, CountrySet};
use domicile_event::reduce::{Draft, Reduction};
use std::collections::BTreeSet;

impl Reader<'_> {
    /// Without `allow`, only the region's own country is allowed.
    pub(super) fn border(&mut self, node: Option<&Node>, home: Option<Country>) -> Read<BorderPolicy> {
        let own = || CountrySet::These(home.into_iter().collect());
        let Some(node) = node else { return Ok(BorderPolicy { allow: own(), transfers: Vec::new() }) };
        let fields = Fields::of("`border`", node.at, node, &["allow", "transfers"], self.report)?;
        let allow = fields.get("allow").map_or_else(|| Ok(own()), |node| self.countries(node));
        let transfers = fields.get("transfers").map_or(Ok(Vec::new()), |node| self.transfers(node));
        Ok(BorderPolicy { allow: allow?, transfers: transfers? })
    }

    fn countries(&mut self, node: &Node) -> Read<CountrySet> {
        let items = fields::list("`allow`", node, "[EEA, CH]", self.report)?;
        let mut set = Ok(BTreeSet::new());
        let mut any = false;
        for item in items {
            match fields::text("an entry of `allow`", item, "EEA", self.report)
                .and_then(|name| self.members(item, name))
            {
                Ok(None) => any = true,
                Ok(Some(countries)) => {
                    set = set.map(|mut set| {
                        set.extend(countries);
                        set
                    });
                }
                Err(reported) => set = Err(reported),
            }
        }
        let set = set?;
        Ok(if any { CountrySet::Any } else { CountrySet::These(set) })
    }

    /// The countries of one name in `allow`; `None` for `any`.
    fn members(&mut self, item: &Node, name: &str) -> Read<Option<Vec<Country>>> {
        if name == "any" {
            return Ok(None);
        }
        if let Some(country) = Country::new(name) {
            return Ok(Some(vec![country]));
        }
        if let Some(countries) = self.groups.get(name) {
            return Ok(Some(countries.clone()));
        }
        let upper = name.to_uppercase();
        let mend = if Country::new(&upper).is_some() || self.groups.contains_key(&upper) {
            format!("write `{upper}`")
        } else {
            match nearest(name, self.groups.keys().map(String::as_str)) {
                Some(near) => format!("write `{near}`, or add the group to `groups`"),
                None => "write a country's two capital letters, or add the group to `groups`".to_owned(),
            }
        };
        Err(self.report.add(
            item.at,
            format!("`{}` is neither a country nor a group", shown(name)),
            "countries are the codes that ISO 3166-1 has assigned (alpha-2); groups are the built-in ones and the file's",
            mend,
        ))
    }

    fn transfers(&mut self, node: &Node) -> Read<Vec<Transfer>> {
        let example = "[{ to: US, basis: dpf, approved_by: dpo@example.com, expires: 2027-06-30 }]";
        let items = fields::list("`transfers`", node, example, self.report)?;
        let transfers: Vec<Read<Transfer>> = items.iter().map(|item| self.transfer(item)).collect();
        transfers.into_iter().collect()
    }

    fn transfer(&mut self, node: &Node) -> Read<Transfer> {
        const BASES: [&str; 4] = Transfer::BASES;
        let known = ["to", "vendor", "basis", "approved_by", "expires", "fields"];
        let fields = Fields::of("the transfer", node.at, node, &known, self.report)?;
        let report = &mut *self.report;
        let to = fields
            .need("to", "a transfer opens the border to one country and not more", "US", report)
            .and_then(|node| fields::country("`to`", node, report));
        let vendor =
            fields.get("vendor").map(|node| fields::text("`vendor`", node, "amplitude", report).map(str::to_owned));
        let basis =
            fields.need("basis", "a transfer without a legal basis is not one", "scc", report).and_then(|node| {
                let basis = fields::text("`basis`", node, "scc", report)?;
                if BASES.contains(&basis) {
                    return Ok(basis.to_owned());
                }
                Err(report.add(
                    node.at,
                    format!("`{}` is not a legal basis", shown(basis)),
                    "the ledger and the catalog know four",
                    format!("write one of: {}", BASES.join(", ")),
                ))
            });
        let approved_by = fields
            .need("approved_by", "an exception has somebody who answers for it", "dpo@example.com", report)
            .and_then(|node| fields::text("`approved_by`", node, "dpo@example.com", report).map(str::to_owned));
        let expires =
            fields.need("expires", "an exception without an end is a rule", "2027-06-30", report).and_then(|node| {
                let day = fields::day("`expires`", node, report)?;
                if day >= self.today {
                    return Ok(day.to_owned());
                }
                Err(report.add(
                    node.at,
                    format!("the transfer expired on {day}"),
                    "what it let out is refused since then, and whoever wrote it may believe that it still flows",
                    "have it approved again and set a later day, or remove the transfer",
                ))
            });
        let reduction = fields.get("fields").map(|node| self.reduction(node));
        Ok(Transfer {
            to: to?,
            vendor: vendor.transpose()?,
            basis: basis?,
            approved_by: approved_by?,
            expires: expires?,
            fields: reduction.transpose()?,
        })
    }

    /// What of an event a transfer lets out.
    fn reduction(&mut self, node: &Node) -> Read<Reduction> {
        let known = ["allow", "deny", "hash", "truncate_ip"];
        let fields = Fields::of("`fields`", node.at, node, &known, self.report)?;
        let mut paths = |name: &str| fields.get(name).map(|node| self.paths(name, node)).transpose();
        let (allow, deny, hash) = (paths("allow"), paths("deny"), paths("hash"));
        let truncate_ip = match fields.get("truncate_ip") {
            None => Ok(false),
            Some(node) => match &node.value {
                Value::Text(text) if text == "true" => Ok(true),
                Value::Text(text) if text == "false" => Ok(false),
                _ => Err(self.report.add(
                    node.at,
                    "`truncate_ip` is neither `true` nor `false`",
                    "it says whether addresses go out as networks",
                    "write `truncate_ip: true`, or remove it",
                )),
            },
        };
        let draft = Draft { allow: allow?, deny: deny?, hash: hash?, truncate_ip: truncate_ip? };
        Reduction::check(&draft).map_err(|faults| {
            let place = |fault: &domicile_event::reduce::ReduceFault| {
                let list = fields.get(fault.at.list).unwrap_or(node);
                match (&list.value, fault.at.path) {
                    (Value::List(items), Some(path)) => items.get(path).map_or(list.at, |item| item.at),
                    _ => list.at,
                }
            };
            // `check` gives at least one.
            let mut reported = None;
            for fault in faults {
                reported = Some(self.report.add(place(&fault), fault.what, fault.why, fault.mend));
            }
            reported.unwrap_or_else(|| self.report.add(node.at, "`fields` can't be read", "", "remove it"))
        })
    }

    fn paths(&mut self, name: &str, node: &Node) -> Read<Vec<String>> {
        let of = format!("`{name}`");
        let items = fields::list(&of, node, "[event, properties.plan]", self.report)?;
        let paths: Vec<Read<String>> = items
            .iter()
            .map(|item| fields::text("a path", item, "properties.plan", self.report).map(str::to_owned))
            .collect();
        paths.into_iter().collect()
    }
}
