//! What became of every event: the words that the whole product shares, the balance sheet over them, and the region's
//! ledger, which anyone can check with nothing but its folder and a public key.
//!
//! - Does not know the logs: who wants to check a sheet or a ledger needs no storage of ours.

mod outcome;

mod balance;
mod sheet;

mod entry;
mod tlog;

mod keep;
mod receipt;
mod witness;

pub mod verify;

pub use balance::{Hour, Tally, TallyError};
pub use entry::{
    Accepted, Closed, Configured, Counts, Decided, Digest, Ended, Entry, EntryError, Erased, Granted, Key, Moved,
    Opened, Refused, Sent, Stored, Time, What, WitnessNamed,
};
pub use keep::{Closing, Ledger, LedgerError, Pending, Signed, Writer, all_written};
pub use outcome::{Outcome, Reason};
pub use receipt::{FrameLeaf, RECEIPT_BYTES_MAX, Receipt, ReceiptError, Shown, digest_of};
pub use sheet::{Consumer, Delivery, Row, Settled, Sheet};
pub use tlog::{Book, BookError, Head, HeadError, Signs, TILE_WIDTH, VKey, Witnessed};
pub use witness::{Answer, SHOWN_EVERY, Way, Witness};
