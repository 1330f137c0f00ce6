//! What of the catalog can be made in this region: one rule for the API, configuration files and imports.

use crate::ControlError;
use crate::view::View;
use domicile_catalog::{Availability, Catalog, Detail, Entry, Kind, Place};
use domicile_event::Stamp;
use domicile_workspace::SourceKind;

/// The catalog's entry that goes by this id or slug.
///
/// # Errors
/// `Invalid` on `metadataId`, with the names that are near.
pub fn catalog_entry(kind: Kind, metadata_id: &str) -> Result<&'static Entry, ControlError> {
    let catalog = Catalog::get();
    catalog.find(kind, metadata_id).ok_or_else(|| {
        let mend = match catalog.near(metadata_id, Some(kind)).as_slice() {
            [] => format!("`domicile catalog` and GET /catalog/{kind}s list them"),
            near => format!("did you mean: {}", near.join(", ")),
        };
        ControlError::invalid("metadataId", format!("is no {kind} of the catalog"), mend)
    })
}

impl View<'_> {
    /// What an entry is in this region, today.
    pub fn availability<'a>(&'a self, entry: &'a Entry) -> Availability<'a> {
        let today = Stamp::of(self.now().0);
        entry.availability(self.region(), today.day())
    }

    /// # Errors
    /// `Invalid` for an entry that can't be used in this region, with the reason.
    pub(crate) fn check_offered(&self, entry: &Entry) -> Result<(), ControlError> {
        let here = self.availability(entry);
        match here.reason {
            Some(reason) if here.place == Place::NotHere => {
                let what = format!("can't be used in this region: {}", reason.what);
                Err(ControlError::invalid("metadataId", what, reason.mend))
            }
            _ => Ok(()),
        }
    }

    /// The catalog's slug of a kind of source, and what the pipeline knows it as.
    ///
    /// # Errors
    /// `Invalid` for a kind that is not offered here, or that no source can be made of yet.
    pub fn source_kind(&self, metadata_id: &str) -> Result<(String, SourceKind), ControlError> {
        let entry = catalog_entry(Kind::Source, metadata_id)?;
        self.check_offered(entry)?;
        let kind = match &entry.detail {
            Detail::Source(source) => source.stand_in().and_then(SourceKind::named),
            Detail::Destination(_) | Detail::Warehouse(_) => None,
        };
        kind.map(|kind| (entry.slug.clone(), kind)).ok_or_else(|| {
            let why = entry.why_not_ready().unwrap_or_else(|| "its connector does not exist yet".to_owned());
            ControlError::invalid("metadataId", "names a source that can't be made yet", why)
        })
    }

    /// Whether a destination of a kind may be made here, and switched on.
    ///
    /// # Errors
    /// `Invalid` on `metadataId` for what is not offered here; on `enabled` for what has no connector yet, or would need a
    /// transfer that the region does not have.
    pub(crate) fn check_destination(&self, entry: &Entry, enabled: bool) -> Result<(), ControlError> {
        self.check_offered(entry)?;
        if !enabled {
            return Ok(());
        }
        if let Some(reason) = self.availability(entry).reason {
            let what = format!("is true, and it can't be switched on: {}", reason.what);
            return Err(ControlError::invalid("enabled", what, reason.mend));
        }
        match entry.why_not_ready() {
            Some(why) => {
                let what = format!("is true, and `{}` can't be switched on yet: {why}", entry.slug);
                Err(ControlError::invalid("enabled", what, "make it with `enabled: false`"))
            }
            None => Ok(()),
        }
    }
}
