//! Who is shown the heads of a region's ledger: `witnesses`.

use super::Reader;
use crate::fault::{Read, shown};
use crate::fields::{self, Fields};
use crate::topology::Witness;
use crate::yaml::Node;

impl Reader<'_> {
    pub(super) fn witnesses(&mut self, node: &Node) -> Read<Vec<Witness>> {
        let example = "[{ url: https://witness.example, key: NAME+ID+KEY, country: IE }]";
        let items = fields::list("`witnesses`", node, example, self.report)?;
        let witnesses: Vec<Read<Witness>> = items.iter().map(|item| self.witness(item)).collect();
        let witnesses: Vec<Witness> = witnesses.into_iter().collect::<Read<_>>()?;
        for (n, (witness, item)) in witnesses.iter().zip(items).enumerate() {
            if witnesses[..n].iter().any(|other| other.key == witness.key) {
                return Err(self.report.add(
                    item.at,
                    "this witness is here twice",
                    "one that is asked twice has still seen the ledger once",
                    "remove one",
                ));
            }
        }
        Ok(witnesses)
    }

    fn witness(&mut self, node: &Node) -> Read<Witness> {
        let fields = Fields::of("the witness", node.at, node, &["url", "key", "country"], self.report)?;
        let report = &mut *self.report;
        let url = fields
            .need("url", "the ledger's heads are shown there", "https://witness.example", report)
            .and_then(|node| fields::url("`url`", node, report));
        let key = fields
            .need("key", "a signature that can't be checked shows nothing", "NAME+ID+KEY", report)
            .and_then(|node| {
                let key = fields::text("`key`", node, "NAME+ID+KEY", report)?;
                if is_cosigning_key(key) {
                    return Ok(key.to_owned());
                }
                Err(report.add(
                    node.at,
                    format!("`{}` is not a witness's key", shown(key)),
                    "it is a name, eight hexadecimal digits and an Ed25519 key for cosignatures, with `+` between \
                         (c2sp.org/tlog-cosignature)",
                    "copy it whole from where the witness publishes it",
                ))
            });
        let country = fields
            .need("country", "the border asks where a host stands before it lets anything go there", "IE", report)
            .and_then(|node| fields::country("`country`", node, report));
        Ok(Witness { url: url?, key: key?, country: country? })
    }
}

/// `NAME+ID+KEY`: the key is base64 of 33 bytes, of which the first is 4. Whether the id is that of the name and the key,
/// the ledger checks, which can hash.
fn is_cosigning_key(text: &str) -> bool {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let is_base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    !name.is_empty()
        && !name.contains(char::is_whitespace)
        && id.len() == 8
        && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        && key.len() == 44
        && key.bytes().all(is_base64)
        && matches!(key.as_bytes(), [b'B', b'A'..=b'P', ..])
}
