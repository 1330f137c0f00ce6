//! An event's own `context` or `integrations` over what its batch shares.
//!
//! - By top key, and a value as a whole: the event's own wins, unless it is `null`.
//! - An own value of another shape is the caller's business: it is kept as it is, and nothing is put in.
//! - Takes time by length: keys are sorted, not compared each with each.

use crate::cursor::Fault;
use crate::field::each_member;
use crate::item::is_empty_list;
use crate::text::json_string;
use std::borrow::Cow;
use std::net::IpAddr;

/// Appends `own` over `shared`, with `ip` as its `ip`, which neither may have but as `null`.
///
/// `own`: a mended value of any shape; `null` and an empty list stand for an empty object. `shared`: a mended object.
/// `ip_is_null`: `own` has an `ip` that has to give way.
pub(crate) fn write(out: &mut Vec<u8>, own: &[u8], shared: Option<&[u8]>, ip: Option<IpAddr>, ip_is_null: bool) {
    let own = if own == b"null" || is_empty_list(own) { b"{}" } else { own };
    let Some(inside) = own.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")) else {
        out.extend_from_slice(own);
        return;
    };
    out.push(b'{');
    let start = out.len();
    if shared.is_some() || ip_is_null {
        merge(out, own, shared.unwrap_or_default(), ip.is_some());
    } else {
        out.extend_from_slice(inside.trim_ascii());
    }
    if let Some(ip) = ip {
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(b"\"ip\":");
        json_string(out, &ip.to_string());
    }
    out.push(b'}');
}

struct Entry<'a> {
    key: Cow<'a, str>,
    /// From the opening quote of the key to the end of the value.
    raw: &'a [u8],
    is_null: bool,
}

/// Appends the members of both, without those named `ip` if that is to be put in behind.
fn merge(out: &mut Vec<u8>, own: &[u8], shared: &[u8], without_ip: bool) {
    let own = members(own);
    let shared = members(shared);
    let own_keys = sorted(own.iter().filter(|member| !member.is_null));
    let shared_keys = sorted(shared.iter());
    let has = |keys: &[&str], key: &str| keys.binary_search(&key).is_ok();
    let own = own.iter().filter(|member| !member.is_null || !has(&shared_keys, &member.key));
    let shared = shared.iter().filter(|member| !has(&own_keys, &member.key));
    let mut comma = false;
    for member in own.chain(shared).filter(|member| !without_ip || member.key != "ip") {
        if std::mem::replace(&mut comma, true) {
            out.push(b',');
        }
        out.extend_from_slice(member.raw);
    }
}

fn members(raw: &[u8]) -> Vec<Entry<'_>> {
    let mut members = Vec::new();
    // What is no object has no members.
    let _: Result<(), Fault> = each_member(raw, |cursor, key, value| {
        let raw = cursor.raw(key.start - 1..value.end);
        members.push(Entry { key: cursor.decode(key), raw, is_null: cursor.raw(value) == b"null" });
        Ok(())
    });
    members
}

fn sorted<'m>(members: impl Iterator<Item = &'m Entry<'m>>) -> Vec<&'m str> {
    let mut keys: Vec<&str> = members.map(|member| &*member.key).collect();
    keys.sort_unstable();
    keys
}
