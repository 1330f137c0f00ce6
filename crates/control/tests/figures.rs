//! What size costs. Prints figures; run it with `--release -- --ignored --nocapture`.

use crate::bed::{BY, each, new_source};
use crate::single::OneStep as _;
use domicile_control::{ControlError, Page};
use std::time::Instant;

const SOURCES: u32 = 10_000;
const KEYS: u32 = 10;

#[test]
#[ignore = "prints figures"]
fn ten_thousand_sources_with_ten_keys_each() {
    each(|bed| {
        let id = bed.workspace.id.clone();
        let timed = |what: &str, times: u32, work: &mut dyn FnMut()| {
            let begin = Instant::now();
            (0..times).for_each(|_| work());
            println!("{what:<34} {:>9.2} ms", begin.elapsed().as_secs_f64() * 1e3 / f64::from(times));
        };
        let mut n = 0;
        timed("make 100 sources in one change", SOURCES / 100, &mut || {
            let made = bed.store.change(&BY, |change| {
                for _ in 0..100 {
                    n += 1;
                    let source = change.create_source(&id, &new_source(&format!("s{n}")))?;
                    for _ in 1..KEYS {
                        change.add_write_key(&id, &source.id)?;
                    }
                }
                Ok::<_, ControlError>(())
            });
            made.expect("makes them");
        });
        let bed = bed.reopen();
        let id = &bed.workspace.id;
        timed("open, with the full read", 3, &mut || drop(bed.home.open().expect("opens")));
        let snapshot = bed.store.current().load();
        assert_eq!(snapshot.sources.size(), SOURCES as usize);
        let source = snapshot.sources.values().next().expect("one").id.clone();
        let mut n = 0;
        timed("one change: a source's name", 100, &mut || {
            n += 1;
            let to = domicile_control::SourceChange { name: Some(format!("name {n}")), ..Default::default() };
            bed.store.update_source(&BY, id, &source, &to).expect("renames it");
        });
        let page = |page: Page| {
            let listed = bed.store.view(|view| view.sources(id, &page)).expect("reads");
            assert_eq!((listed.total, listed.rows[0].write_keys.len()), (SOURCES.into(), KEYS as usize));
        };
        timed("the first page of 200", 20, &mut || page(Page::first(200)));
        timed("a page of 200 in the middle", 20, &mut || page(Page::after((SOURCES / 2).into(), 200)));
        timed("a page of 10", 50, &mut || page(Page::after(77, 10)));
        timed("follow, with nothing new", 200, &mut || assert!(!bed.store.follow().expect("looks")));
        let keys: Vec<_> = snapshot.sources.values().flat_map(|s| s.write_keys.iter().map(|k| &k.key)).collect();
        let begin = Instant::now();
        let found = keys.iter().filter(|key| snapshot.source_of_key(key).is_some()).count();
        let each = begin.elapsed().as_secs_f64() * 1e9 / keys.len() as f64;
        println!("{:<34} {each:>9.0} ns ({found} keys)", "look a write key up");
    });
}
