//! What can be connected: sources, destinations and warehouses, where their partners have endpoints, and in which regions
//! each can be used.
//!
//! ```text
//! catalog/*.jsonl ──► Catalog::get() ──► find, search ──► Entry ──► availability(region), check_settings
//! ```
//!
//! The facts are data, in `catalog/` at the repository's root: one entry a line, each with its provenance and date. They
//! are embedded, and read once, when first asked for. No I/O, no clock.
//!
//! - An entry knows countries and groups of countries, never a region: what is so in a region follows from that region's
//!   country and border policy. A region of any name, in any country, gets the same rules.
//! - To be usable in a region promises nothing about where data goes; that is [`Availability::place`].
//! - `EU` in the data is the treaty's, whatever a topology's `groups` say: they are what an operator allows, not where a
//!   partner stands.

mod catalog;

mod entry;
mod setting;
mod territory;

mod availability;
mod search;

pub use availability::{Availability, Obstacle, Place, Reason};
pub use catalog::{Catalog, DataFault};
pub use entry::{
    Action, ActionPlatform, Destination, Detail, Entry, Host, Kind, Method, Note, Platform, Sender, SourceFacts,
    SourceType, Status, Warehouse, WarehouseType,
};
pub use setting::{SETTINGS_BYTES_MAX, Setting, SettingFault, SettingType};
pub use territory::{Territory, Usable};
