//! A second witness of where an address is: a database of addresses and countries that the operator supplies (MMDB, with
//! `country.iso_code` as GeoLite2 and DB-IP have it).
//!
//! It can only say no. Where it names another country than the one that is declared, listed or in the catalog, nothing goes;
//! what it does not know, or knows to be there, decides nothing.

use domicile_world::Disk;
use maxminddb::{PathElement, Reader, WithinOptions};
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

/// Cities of the whole world take less than half of it.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Networks that are looked at for a first country.
const LOOKED_AT_MAX: usize = 100_000;

const COUNTRY: [PathElement<'static>; 2] = [PathElement::Key("country"), PathElement::Key("iso_code")];

/// A database that has been checked through.
pub struct Witness {
    reader: Reader<Vec<u8>>,
}

/// Why a file is no witness.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {what}\n  mend: {mend}")]
pub struct WitnessError {
    pub file: String,
    pub what: String,
    pub mend: &'static str,
}

/// What it says of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Testimony<'w> {
    /// It does not know the address, or not its country.
    Silent,
    Says(&'w str),
    /// The file is damaged there.
    Unreadable,
}

impl Witness {
    /// Reads a database whole and checks it through.
    ///
    /// # Errors
    /// With file and mend: it is not there, is no MMDB, is damaged anywhere, or names no country.
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<Self, WitnessError> {
        const ANOTHER: &str =
            "name a country database in MMDB form under `ip_countries` in topology.yml, or remove the line";
        const AGAIN: &str = "fetch the file again";
        let wrong = |what: String, mend| WitnessError { file: path.display().to_string(), what, mend };
        let file = disk.open_read(path).map_err(|error| wrong(error.to_string(), ANOTHER))?;
        let bytes = file.bytes().map_err(|error| wrong(error.to_string(), ANOTHER))?;
        if bytes > FILE_BYTES_MAX {
            return Err(wrong(format!("it has {bytes} bytes, more than {FILE_BYTES_MAX}"), ANOTHER));
        }
        let bytes = disk.read(path).map_err(|error| wrong(error.to_string(), ANOTHER))?;
        let reader = Reader::from_source(bytes).map_err(|error| wrong(format!("it is no MMDB: {error}"), ANOTHER))?;
        reader.verify().map_err(|error| wrong(format!("it is damaged: {error}"), AGAIN))?;
        let witness = Self { reader };
        if witness.names_a_country() { Ok(witness) } else { Err(wrong("it names no country".to_owned(), ANOTHER)) }
    }

    pub(crate) fn asked(&self, address: IpAddr) -> Testimony<'_> {
        // A database of IPv4 alone knows nothing of IPv6.
        if address.is_ipv6() && self.reader.metadata().ip_version != 6 {
            return Testimony::Silent;
        }
        let found = self.reader.lookup(address).and_then(|found| found.decode_path::<&str>(&COUNTRY));
        match found {
            Ok(None) => Testimony::Silent,
            Ok(Some(country)) => Testimony::Says(country),
            Err(_) => Testimony::Unreadable,
        }
    }

    fn names_a_country(&self) -> bool {
        let Ok(networks) = self.reader.networks(WithinOptions::default()) else { return false };
        let mut looked_at = networks.take(LOOKED_AT_MAX).map_while(Result::ok);
        looked_at.any(|found| matches!(found.decode_path::<&str>(&COUNTRY), Ok(Some(_))))
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witness({})", self.reader.metadata().database_type)
    }
}
