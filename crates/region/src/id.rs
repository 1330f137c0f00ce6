//! Names of places, and the wrapper that cannot lose its region.

/// Makes a type for names that are text, shared and cheap to clone. The type and its doc comment stand in the braces.
#[macro_export]
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Takes any text; whether it names something is the topology's to say.
            pub fn new(name: impl Into<std::sync::Arc<str>>) -> Self {
                Self(name.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A region's name as in `topology.yml`, for example `eu-west`.
    RegionId
}
name! {
    /// An ingest point's name, unique within its region, for example `dublin`.
    PointName
}
name! {
    /// A data centre of a region, for example `dublin-a`.
    LocationName
}

/// A value that belongs to a region and carries it: a source's number, a key, a position. There is no way to change the
/// region of a value, only to ask for the value in the region where one stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InRegion<T> {
    region: RegionId,
    value: T,
}

impl<T> InRegion<T> {
    pub fn new(region: RegionId, value: T) -> Self {
        Self { region, value }
    }

    pub fn region(&self) -> &RegionId {
        &self.region
    }

    /// The value, if it belongs to `here`.
    pub fn here(&self, here: &RegionId) -> Option<&T> {
        (self.region == *here).then_some(&self.value)
    }

    /// Another value that belongs where this one does.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> InRegion<U> {
        InRegion { region: self.region, value: f(self.value) }
    }

    /// The value, whatever its region: for showing, never for storing.
    pub fn shown(&self) -> &T {
        &self.value
    }
}
