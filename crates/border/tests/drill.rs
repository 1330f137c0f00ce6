//! The attacks, tried on a border in force: all are refused, what the operator lists is told apart, and nothing is written down.

use crate::stage::{Names, country, networks, region};
use domicile_border::attacks::{Kind, all};
use domicile_border::{Border, CameTo, Refusal, Register};
use domicile_world::World;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default)]
struct Counting(AtomicUsize);

impl Register for Counting {
    fn refused(&self, _: &Refusal) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn word(came_to: &CameTo) -> &'static str {
    match came_to {
        CameTo::Refused(_) => "refused",
        CameTo::Listed => "listed",
        CameTo::Pinned => "pinned",
        CameTo::Crossed(_) => "crossed",
        CameTo::NotTried => "not tried",
    }
}

/// How much came to what, on a border of `eu-west` with these networks.
async fn drilled(listed: &[(&str, &str)]) -> BTreeMap<&'static str, usize> {
    let (names, counting) = (Names::new(&[]), Arc::new(Counting::default()));
    let own = ["127.0.0.1:7200", "0.0.0.0:7201", "[::]:7202"].map(|own| own.parse::<SocketAddr>().expect("an address"));
    let border = Border::new(World::real(), &region("eu-west"), &networks(listed))
        .with_own(own.into())
        .with_register(counting.clone())
        .with_outside(names.clone());
    let tried = border.drill(country("IE")).await;
    let crossed: Vec<_> = tried.iter().filter(|tried| matches!(tried.came_to, CameTo::Crossed(_))).collect();
    assert!(crossed.is_empty(), "{crossed:#?}");
    let own_refused = tried.iter().filter(|tried| tried.attack.expected == "own_address").map(|tried| &tried.came_to);
    let own_refused: Vec<_> = own_refused.collect();
    assert!(own_refused.len() == 3 && own_refused.iter().all(|came_to| word(came_to) == "refused"), "{own_refused:?}");
    assert!(names.asked.lock().expect("lock").is_empty(), "the real outside was asked");
    assert!(names.knocked.lock().expect("lock").is_empty(), "the real outside was called");
    assert_eq!(counting.0.load(Ordering::SeqCst), 0, "a drill was written down");
    let mut counts = BTreeMap::new();
    for tried in &tried {
        *counts.entry(word(&tried.came_to)).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn no_attack_crosses_a_border_in_force_and_every_form_is_tried() {
    let forms = all();
    let forms = forms.iter().filter(|attack| matches!(attack.kind, Kind::Url(_) | Kind::Database(_) | Kind::Names(_)));
    // The six that are where the tests' own cell listens, and the three where this one does.
    let forms = forms.count() - 6 + 3;
    let counts = drilled(&[]).await;
    assert_eq!(counts.get("listed"), None, "{counts:?}");
    assert_eq!(counts["refused"] + counts["pinned"], forms, "{counts:?}");
}

#[tokio::test]
async fn what_the_operators_networks_list_is_told_apart_from_what_crosses() {
    let none = drilled(&[]).await["refused"];
    let local = drilled(&[("127.0.0.0/8", "local"), ("10.0.0.0/8", "IE")]).await;
    assert!(local["listed"] > 5 && local["refused"] + local["listed"] == none, "{local:?}, {none}");
    // In another country than was declared: refused for that.
    let abroad = drilled(&[("127.0.0.0/8", "US"), ("10.0.0.0/8", "US")]).await;
    assert_eq!((abroad.get("listed"), abroad["refused"]), (None, none));
}

#[tokio::test]
async fn a_border_process_is_not_asked_for_a_drill() {
    // Nobody is at its socket: whoever asked it would be refused as `border_unreachable`.
    let border = Border::new(World::real(), &region("eu-west"), &networks(&[]))
        .through_gate(std::path::Path::new("/nowhere/border.sock"));
    let tried = border.drill(country("IE")).await;
    let unreachable = |tried: &&domicile_border::Tried| match &tried.came_to {
        CameTo::Refused(code) => code.as_str() == "border_unreachable",
        _ => false,
    };
    assert_eq!((border.is_gated(), tried.iter().filter(unreachable).count()), (true, 0));
    assert!(tried.iter().any(|tried| tried.came_to == CameTo::Pinned));
}
