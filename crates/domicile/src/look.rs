//! A first look at what is on disk, before a start changes anything.
//!
//! Opening a log begins a new segment and takes its closing note away. So damage in the last cell has to stop the start
//! before the first one is opened: a start that fails leaves the data folder as it was.

use crate::cell::spool_name;
use crate::exit::Failure;
use domicile_control::Store;
use domicile_keys::Keyring;
use domicile_log::{check_ends, look};
use domicile_region::{Region, Topology};
use domicile_world::World;
use std::path::Path;

/// Looks at everything that the cells of these regions will open. Nothing is changed.
pub fn look_at(world: &World, topology: &Topology, regions: &[Region], data: &Path) -> Result<(), Failure> {
    for region in regions {
        let cell = data.join("cells").join(region.id.as_str());
        let (accepted, events) = (cell.join("accepted"), cell.join("events"));
        let promised = look(world, &accepted).map_err(Failure::unreached)?;
        let decided = look(world, &events).map_err(Failure::unreached)?;
        check_ends(&events, decided, promised).map_err(Failure::unreached)?;
        Keyring::look(world, &cell.join("keys"), promised.end > promised.first).map_err(Failure::unreached)?;
        Store::look(world, &cell.join("control.db")).map_err(Failure::unreached)?;
        for point in region.ingest.iter().filter(|point| point.remote) {
            let folder = data.join("ingest").join(spool_name(topology, region, &point.name));
            let spool = look(world, &folder.join("spool")).map_err(Failure::unreached)?;
            Keyring::look(world, &folder.join("keys"), spool.end > spool.first).map_err(Failure::unreached)?;
        }
    }
    Ok(())
}
