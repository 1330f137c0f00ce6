//! What an entry is in a region: whether it can be used there, and whether what it gets stays there.
//!
//! | kind | can't be used | needs a transfer |
//! | --- | --- | --- |
//! | any | the region's country is not among those of `usable` | |
//! | source of cloud events | its events come in only outside what the region's border allows | |
//! | destination | | its partner has endpoints only outside what the border allows |
//!
//! - The rules look at a region's country and border policy, never at its name.
//! - Other sources come in at the region's own ingest points, or are read by the cell: in the region wherever it is.

use crate::{Detail, Entry, Territory};
use domicile_region::{Country, Region, Rule, Transfer};

/// An entry, seen from one region.
#[derive(Debug)]
pub struct Availability<'a> {
    pub place: Place,
    /// Those of the entry's endpoints that the region's border allows without a transfer.
    pub endpoints_in_region: Vec<&'a Territory>,
    /// The transfer that lets data go to the partner today, where one is needed and holds.
    pub transfer: Option<&'a Transfer>,
    /// Why it can't be used, or what it needs before data can go to it.
    pub reason: Option<Reason>,
    /// What a person who connects it there should know, each a sentence.
    pub cautions: Vec<String>,
}

impl Availability<'_> {
    /// Whether it may be created in the region. The border has the last word on what is sent.
    pub fn is_available(&self) -> bool {
        self.place != Place::NotHere
    }
}

/// Where an entry stands to a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// It has an endpoint where the region's border allows, so data can stay there.
    InRegion,
    /// It can be used, and its data goes where only a transfer lets it.
    ByTransfer,
    NotHere,
}

impl Place {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InRegion => "in region",
            Self::ByTransfer => "by transfer",
            Self::NotHere => "not here",
        }
    }
}

/// What stands in the way, said for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub obstacle: Obstacle,
    /// A sentence without its full stop.
    pub what: String,
    pub mend: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// The data offers it in other countries only.
    NotOffered,
    /// The source's events would be taken in outside the region.
    TakenInOutside,
    /// No endpoint inside, and no transfer holds.
    NeedsTransfer,
}

impl Entry {
    /// Whether the data offers it to regions in this one's country.
    pub fn works_in(&self, region: &Region) -> bool {
        self.usable.in_country(region.country)
    }

    /// Whether one of its endpoints is where the region's border allows without a transfer.
    pub fn endpoint_in(&self, region: &Region) -> bool {
        self.endpoints.iter().any(|endpoint| self.is_inside(endpoint, region))
    }

    /// Whether it can be used in a region, and how.
    ///
    /// `today` is `YYYY-MM-DD`: a transfer counts up to and with its last day.
    pub fn availability<'a>(&'a self, region: &'a Region, today: &str) -> Availability<'a> {
        let endpoints_in_region: Vec<_> =
            self.endpoints.iter().filter(|endpoint| self.is_inside(endpoint, region)).collect();
        let inside = !endpoints_in_region.is_empty();
        let mut transfer = None;
        let reason = match &self.detail {
            _ if !self.works_in(region) => Some(self.not_offered(region)),
            Detail::Source(source) if source.cloud_events && !inside => Some(self.taken_in_outside(region)),
            Detail::Source(_) => None,
            Detail::Destination(_) | Detail::Warehouse(_) if inside => None,
            Detail::Destination(_) | Detail::Warehouse(_) => {
                transfer = self.endpoints.iter().find_map(|endpoint| self.transfer(endpoint, region, today));
                transfer.is_none().then(|| self.needs_transfer(region))
            }
        };
        let place = match (&reason, transfer) {
            (None, None) => Place::InRegion,
            (None, Some(_)) => Place::ByTransfer,
            (Some(reason), _) if reason.obstacle == Obstacle::NeedsTransfer => Place::ByTransfer,
            (Some(_), _) => Place::NotHere,
        };
        let cautions = self.cautions(region, place, &endpoints_in_region);
        Availability { place, endpoints_in_region, transfer, reason, cautions }
    }

    /// The countries that an endpoint may be in: the one that the partner names for its hosts there, else all.
    fn countries<'a>(&'a self, endpoint: &'a Territory) -> Vec<Country> {
        let here: Vec<_> = self.hosts.iter().filter(|host| host.territory == *endpoint).collect();
        let named: Vec<_> = here.iter().filter_map(|host| host.country).collect();
        // One host without a country may be anywhere in the territory.
        if named.is_empty() || named.len() < here.len() { endpoint.countries().to_vec() } else { named }
    }

    /// Whether data that goes to the endpoint stays where the border allows it without a transfer. In a group every
    /// country must be allowed, since it may be any of them.
    fn is_inside(&self, endpoint: &Territory, region: &Region) -> bool {
        self.countries(endpoint).iter().all(|country| region.border.allow.contains(*country))
    }

    /// The transfer under which data may go to the endpoint, wherever in its territory that is.
    fn transfer<'a>(&self, endpoint: &Territory, region: &'a Region, today: &str) -> Option<&'a Transfer> {
        let countries = self.countries(endpoint);
        let rules: Option<Vec<_>> =
            countries.iter().map(|country| region.border.rule(*country, Some(&self.slug), today)).collect();
        rules?.into_iter().find_map(|rule| match rule {
            Rule::Transfer(transfer) => Some(transfer),
            Rule::Allow => None,
        })
    }

    fn not_offered(&self, region: &Region) -> Reason {
        let countries = match &self.usable {
            crate::Usable::Anywhere => String::new(),
            crate::Usable::In(territories) => listed(territories),
        };
        let mend = match &self.detail {
            Detail::Source(source) => match source.stand_in() {
                Some(own) => format!("make a `{own}` source, which takes the SDK's events"),
                None => SEND_FROM_A_SERVICE.to_owned(),
            },
            Detail::Destination(_) => {
                "choose a partner that is offered there, or a `webhook` destination to a service of yours".to_owned()
            }
            Detail::Warehouse(_) => "choose a warehouse that is offered there".to_owned(),
        };
        Reason {
            obstacle: Obstacle::NotOffered,
            what: format!(
                "`{}` is offered to regions in {countries} only, and {} is in {}",
                self.slug, region.id, region.country
            ),
            mend,
        }
    }

    fn taken_in_outside(&self, region: &Region) -> Reason {
        Reason {
            obstacle: Obstacle::TakenInOutside,
            what: format!(
                "the events of `{}` would be taken in outside the region: its stream ends in {}, which the border of {} does not allow",
                self.slug,
                listed(&self.endpoints),
                region.id
            ),
            mend: SEND_FROM_A_SERVICE.to_owned(),
        }
    }

    fn needs_transfer(&self, region: &Region) -> Reason {
        let lines: Vec<_> = self
            .endpoints
            .iter()
            .map(|endpoint| match self.countries(endpoint).as_slice() {
                [country] => {
                    format!("`{{ to: {country}, vendor: {}, basis: …, approved_by: …, expires: … }}`", self.slug)
                }
                _ => format!(
                    "one to the country of {endpoint} in which the partner's host stands, which the partner can tell"
                ),
            })
            .collect();
        Reason {
            obstacle: Obstacle::NeedsTransfer,
            what: format!(
                "the partner behind `{}` has endpoints in {} only, where the border of {} lets nothing go",
                self.slug,
                listed(&self.endpoints),
                region.id
            ),
            mend: format!(
                "add a transfer to the region's border in the topology ({}), or choose a partner with an endpoint in the region",
                lines.join(", or ")
            ),
        }
    }

    fn cautions(&self, region: &Region, place: Place, inside: &[&Territory]) -> Vec<String> {
        let mut cautions = Vec::new();
        for territory in self.docs_say_no.iter().filter(|territory| territory.contains(region.country)) {
            cautions.push(format!(
                "A page of the documentation says that regions in {territory} can't use it, the data says that they can."
            ));
        }
        let Detail::Destination(destination) = &self.detail else { return cautions };
        if destination.only_on_devices() {
            cautions.push(
                "It gets its data from the visitor's browser or app, past the cell: no border holds that.".to_owned(),
            );
        }
        let chooses = destination.region_settings.iter().map(|setting| format!("`{}`", setting.name));
        let chooses = chooses.collect::<Vec<_>>().join(" and ");
        let elsewhere = inside.len() < self.endpoints.len();
        match place {
            Place::InRegion if elsewhere && chooses.is_empty() => {
                cautions.push(format!("The account with the partner has to be one in {}.", listed(inside)));
            }
            Place::InRegion if elsewhere => {
                cautions.push(format!("The partner's region is chosen by {chooses}: choose {}.", listed(inside)));
            }
            Place::ByTransfer if !chooses.is_empty() => cautions.push(format!(
                "The partner's region is chosen by {chooses}: it may offer one that the border allows, which the data does not know."
            )),
            _ => {}
        }
        cautions
    }
}

const SEND_FROM_A_SERVICE: &str =
    "let the partner send to a service of yours in the region, and that one to a `server` source";

fn listed<T: std::fmt::Display>(territories: &[T]) -> String {
    territories.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
