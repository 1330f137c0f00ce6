//! The ledger's promises: what it says holds, what was changed is found, and what was written lasts.

mod bed;

mod archive;
mod crashes;
mod damage;
mod docs;
mod history;
mod independent;
mod properties;
mod receipts;
mod sums;
mod witnesses;
