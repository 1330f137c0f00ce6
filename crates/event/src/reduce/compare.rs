//! Whether one way of reducing events lets out less than another.

use super::{Allowed, Reduction};

impl Reduction {
    /// Whether nothing goes out by `self` that would not go out by `other`, as far as their paths tell: when in doubt, no.
    pub fn is_within(&self, other: &Self) -> bool {
        let (own, than) = (&*self.0, &*other.0);
        let is_kept_back = |path: &Vec<String>| own.deny.contains(path);
        than.deny.iter().all(is_kept_back)
            && than.hash.iter().all(|path| own.hash.contains(path) || is_kept_back(path))
            && (own.draft.truncate_ip || !than.draft.truncate_ip)
            && match (&own.allow, &than.allow) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(own), Some(than)) => own.is_within(0, than, 0),
            }
    }
}

impl Allowed {
    /// Whether all that is let out from a node of this tree on is let out from a node of the other.
    fn is_within(&self, at: usize, other: &Self, there: usize) -> bool {
        let (own, than) = (&self.0[at], &other.0[there]);
        than.all
            || (!own.all
                && own.children.iter().all(|(name, child)| {
                    than.children.get(name).is_some_and(|there| self.is_within(*child, other, *there))
                }))
    }
}

#[cfg(test)]
mod tests {
    use crate::reduce::{Draft, Reduction};

    /// `allow a, b; deny c; hash d; truncate_ip`
    fn read(text: &str) -> Reduction {
        let mut draft = Draft::default();
        for part in text.split(';').map(str::trim) {
            let (name, paths) = part.split_once(' ').unwrap_or((part, ""));
            let paths = Some(paths.split(',').map(|path| path.trim().to_owned()).collect());
            match name {
                "allow" => draft.allow = paths,
                "deny" => draft.deny = paths,
                "hash" => draft.hash = paths,
                _ => draft.truncate_ip = true,
            }
        }
        Reduction::check(&draft).expect(text)
    }

    #[test]
    fn less_is_known_as_less_and_doubt_is_not() {
        for (one, other, within, back) in [
            ("allow event", "allow event", true, true),
            ("allow event", "allow event, userId", true, false),
            ("allow properties.plan", "allow properties", true, false),
            ("allow event", "allow userId", false, false),
            ("allow event", "deny traits", false, false),
            ("allow event; deny traits", "deny traits", true, false),
            ("deny traits, userId", "deny traits", true, false),
            ("deny traits.email", "deny email", false, false),
            ("hash userId", "truncate_ip", false, false),
            ("hash userId; truncate_ip", "truncate_ip", true, false),
            ("deny userId", "hash userId", true, false),
            ("allow event", "allow event; hash userId", false, false),
            ("allow event; hash userId", "allow event, userId", true, false),
            ("allow event; truncate_ip", "allow event", false, false),
            ("allow event, context.ip; truncate_ip", "allow event, context.ip", true, false),
        ] {
            let (a, b) = (read(one), read(other));
            assert_eq!((a.is_within(&b), b.is_within(&a)), (within, back), "{one} | {other}");
        }
    }
}
