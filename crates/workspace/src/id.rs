//! Identifiers. The texts are what people and the API see; the numbers are what frames and indexes carry.

use domicile_region::name;

name! {
    /// 22 letters and digits.
    WorkspaceId
}
name! {
    /// 22 letters and digits; a folder of the archive has this name.
    SourceId
}
name! {
    /// 24 hexadecimal digits.
    DestinationId
}

name! {
    /// 22 letters and digits.
    TransferId
}

/// A source's number within its cell: given once, never given again. Frames carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceNumber(pub u32);

/// A workspace's number within its cell: names its data keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkspaceNumber(pub u32);

/// Counts the changes of a cell's configuration; frames of the event log carry it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigVersion(pub u64);
