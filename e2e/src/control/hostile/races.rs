//! The same thing asked many times: at once, again after an answer, with an older version in mind.

use super::Target;
use crate::control::api::{Api, Told};
use crate::tally::Tally;
use serde_json::{Value, json};
use std::sync::Barrier;
use std::thread;

const AT_ONCE: usize = 12;

pub fn check(tally: &mut Tally, target: &mut Target) -> Result<(), String> {
    doubles(tally, target)?;
    versions(tally, target)?;
    idempotency(tally, target)
}

fn new_source(slug: &str) -> Value {
    json!({ "slug": slug, "enabled": true, "metadataId": "http-api" })
}

/// The same request on so many connections at the same moment.
fn at_once(target: &Target, ask: impl Fn(usize, &mut Api) -> Result<Told, String> + Sync) -> Result<Vec<Told>, String> {
    let apis = (0..AT_ONCE).map(|_| target.api.again()).collect::<Result<Vec<_>, _>>()?;
    let start = Barrier::new(AT_ONCE);
    thread::scope(|scope| {
        let (ask, start) = (&ask, &start);
        let asked: Vec<_> = apis
            .into_iter()
            .enumerate()
            .map(|(n, mut api)| {
                scope.spawn(move || {
                    start.wait();
                    ask(n, &mut api)
                })
            })
            .collect();
        asked.into_iter().map(|one| one.join().unwrap_or_else(|_| Err("a client panicked".to_owned()))).collect()
    })
}

/// Whether one was answered so, and every other one so.
fn one_of(told: &[Told], good: u16, others: &[u16]) -> Result<(), String> {
    let statuses: Vec<_> = told.iter().map(|told| told.status).collect();
    let winners = statuses.iter().filter(|status| **status == good).count();
    if winners != 1 {
        return Err(format!("{winners} were answered {good}: {statuses:?}"));
    }
    told.iter().filter(|told| told.status != good).try_for_each(|told| told.refuses(others))
}

fn same(a: &Value, b: &Value) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("one is {a}, the other {b}")) }
}

fn doubles(tally: &mut Tally, target: &mut Target) -> Result<(), String> {
    let before = target.api.ids("/sources", "sources")?.len();
    let told = at_once(target, |_, api| api.post("/sources", new_source("doubled")))?;
    tally.check(format!("of {AT_ONCE} creations of one slug at once, one is done"), one_of(&told, 201, &[409]));
    let again = target.api.post("/sources", new_source("doubled"))?.refuses(&[409]);
    tally.check("and one more is refused", again);
    let after = target.api.ids("/sources", "sources")?.len();
    tally.check(
        "and there is one source more",
        if after == before + 1 { Ok(()) } else { Err(format!("{before}, then {after}")) },
    );

    let label = json!({ "label": { "key": "race", "value": "one" } });
    let told = at_once(target, |_, api| api.post("/labels", label.clone()))?;
    tally.check(format!("of {AT_ONCE} creations of one label at once, one is done"), one_of(&told, 201, &[409]));
    let told = at_once(target, |_, api| api.ask("DELETE", "/labels/race/one", None, &[]))?;
    tally.check(format!("of {AT_ONCE} removals of it at once, one is done"), one_of(&told, 200, &[404]));
    Ok(())
}

fn versions(tally: &mut Tally, target: &mut Target) -> Result<(), String> {
    let path = format!("/sources/{}", target.source);
    let etag = target.api.get(&path)?.etag.ok_or("GET of a source has no ETag")?;
    let change = |n: usize| json!({ "name": format!("Version {n}") });
    let told = at_once(target, |n, api| api.ask("PATCH", &path, Some(change(n)), &[("If-Match", &etag)]))?;
    tally.check(format!("of {AT_ONCE} changes of one version at once, one is done"), one_of(&told, 200, &[412]));
    let now = target.api.get(&path)?;
    let kept = told.iter().find(|told| told.status == 200).map(|told| told.body.pointer("/data/source/name").cloned());
    let name = now.body.pointer("/data/source/name").cloned();
    tally.check(
        "and it is the one that was answered 200",
        if kept == Some(name) { Ok(()) } else { Err("it is another one".to_owned()) },
    );

    for (promise, method, body) in [("a change", "PATCH", Some(change(0))), ("a removal", "DELETE", None)] {
        let outcome = target.api.ask(method, &path, body, &[("If-Match", &etag)]).and_then(|told| told.refuses(&[412]));
        tally.check(format!("{promise} with an older version in mind is refused"), outcome);
    }
    for odd in ["17", "\"x\"", "W/\"1\"", "\"99999999999999999999\"", "\"1\", \"2\""] {
        let told = target.api.ask("PATCH", &path, Some(change(0)), &[("If-Match", odd)]);
        tally.check(format!("If-Match: {odd} is refused"), told.and_then(|told| told.refuses(&[412, 422])));
    }
    let now = now.etag.ok_or("GET of a source has no ETag")?;
    let outcome = target.api.ask("PATCH", &path, Some(change(99)), &[("If-Match", &now)]).and_then(|told| {
        told.data(200)?;
        let later = target.api.get(&path)?.etag;
        if later.as_ref() == Some(&now) { Err(format!("the ETag is still {now}")) } else { Ok(()) }
    });
    tally.check("a change of the version that is, is done, and makes another one", outcome);
    let told = at_once(target, |n, api| api.ask("PATCH", &path, Some(change(n)), &[]))?;
    let outcome = told.into_iter().try_for_each(|told| told.data(200).map(drop));
    tally.check(format!("{AT_ONCE} changes at once that name no version are all done"), outcome);
    Ok(())
}

fn idempotency(tally: &mut Tally, target: &mut Target) -> Result<(), String> {
    let key = [("Idempotency-Key", "once-and-for-all")];
    let create =
        |api: &mut Api, slug: &str, key: &[(&str, &str)]| api.ask("POST", "/sources", Some(new_source(slug)), key);
    let first = create(&mut target.api, "once", &key)?;
    let second = create(&mut target.api, "once", &key)?;
    tally.check("a request that is repeated under its key is answered the same", {
        same(&first.body, &second.body).and_then(|()| second.data(201).map(drop))
    });
    let made = first.data(201)?;
    let outcome = create(&mut target.api, "another", &key).and_then(|told| told.refuses(&[409, 422]));
    tally.check("another request under the same key is refused", outcome);
    let told = at_once(target, |_, api| create(api, "at-once", &[("Idempotency-Key", "at-once")]))?;
    let id = |told: &Told| told.body.pointer("/data/source/id").and_then(Value::as_str).map(str::to_owned);
    let ids: Vec<_> = told.iter().filter_map(id).collect();
    let one = ids.first().is_some_and(|first| ids.iter().all(|id| id == first));
    let refused = told.iter().filter(|told| id(told).is_none()).try_for_each(|told| told.refuses(&[409]));
    let outcome = if one { refused } else { Err(format!("they made {ids:?}")) };
    tally.check(format!("{AT_ONCE} requests at once under one key make one source"), outcome);

    let path = format!("/sources/{}", made.pointer("/source/id").and_then(Value::as_str).unwrap_or_default());
    target.api.ask("DELETE", &path, None, &[])?.data(200)?;
    let replayed = create(&mut target.api, "once", &key)?;
    let exists = target.api.get(&path)?.refuses(&[404]);
    tally.check(
        "a replay after the source is gone does not bring it back",
        exists.and_then(|()| same(&first_body(&made), &first_body(&replayed.data(201)?))),
    );
    let refused =
        create(&mut target.api, "twice-refused", &[("Idempotency-Key", "refused")]).and_then(|told| told.data(201));
    tally.check("a key is good for a first request", refused.map(drop));
    let long = "k".repeat(300);
    for odd in ["", &*long, "with a space", "schlüssel"] {
        let told = create(&mut target.api, "odd-key", &[("Idempotency-Key", odd)]);
        tally.check(
            format!("the key {:?} is refused", odd.chars().take(20).collect::<String>()),
            told.and_then(|told| told.refuses(&[400, 422])),
        );
    }
    let fixed = json!({ "slug": "mended", "enabled": "yes", "metadataId": "http-api" });
    let key = [("Idempotency-Key", "mended")];
    let refused = target.api.ask("POST", "/sources", Some(fixed), &key).and_then(|told| told.refuses(&[422]));
    let mended = create(&mut target.api, "mended", &key).and_then(|told| told.data(201).map(drop));
    tally.check("a key whose request was refused may be used again for the mended one", refused.and(mended));
    Ok(())
}

fn first_body(data: &Value) -> Value {
    data.pointer("/source/id").cloned().unwrap_or_default()
}
