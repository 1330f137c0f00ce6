//! Numbers as they are written: compared by exact value, never rounded.
//!
//! An id of 20 digits is not equal to its neighbour, `1e999` is more than `1e998`, and `1.0` equals `1`.

use std::borrow::Cow;
use std::cmp::Ordering;

/// ± 0.d₁d₂d₃… × 10^point.
#[derive(Clone, Debug)]
pub(super) struct Number<'a> {
    negative: bool,
    /// From the first digit that is no zero to the last one, maybe with a dot between; empty for zero.
    digits: Cow<'a, [u8]>,
    point: i64,
}

/// Exponents beyond this count as this.
const EXPONENT_MAX: i64 = 1 << 60;

impl<'a> Number<'a> {
    /// Reads a sign or none, digits, maybe a dot with digits, maybe an exponent; `None` for anything else.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let end = rest.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(rest.len());
        let (mantissa, exponent) = rest.split_at(end);
        let exponent = if exponent.is_empty() { 0 } else { read_exponent(&exponent[1..])? };
        let dot = mantissa.iter().position(|byte| *byte == b'.');
        let whole = &mantissa[..dot.unwrap_or(mantissa.len())];
        let fraction = dot.map(|dot| &mantissa[dot + 1..]);
        let digits = |run: &[u8]| !run.is_empty() && run.iter().all(u8::is_ascii_digit);
        if !digits(whole) || fraction.is_some_and(|fraction| !digits(fraction)) {
            return None;
        }
        let counts = |byte: &u8| matches!(byte, b'1'..=b'9');
        let (Some(first), Some(last)) = (mantissa.iter().position(counts), mantissa.iter().rposition(counts)) else {
            return Some(Self { negative: false, digits: Cow::Borrowed(&[]), point: 0 });
        };
        // A digit in front of the dot counts up, a zero behind the dot counts down.
        let place = whole.len() as i64 - first as i64 + i64::from(first > whole.len());
        Some(Self { negative, digits: Cow::Borrowed(&mantissa[first..=last]), point: place + exponent })
    }

    pub fn of(count: usize) -> Number<'static> {
        Number::parse(count.to_string().as_bytes()).map_or_else(Number::zero, Number::into_owned)
    }

    fn zero() -> Number<'static> {
        Number { negative: false, digits: Cow::Borrowed(&[]), point: 0 }
    }

    pub fn into_owned(self) -> Number<'static> {
        Number { digits: Cow::Owned(self.digits.into_owned()), negative: self.negative, point: self.point }
    }

    pub fn borrowed(&self) -> Number<'_> {
        Number { digits: Cow::Borrowed(&self.digits), negative: self.negative, point: self.point }
    }

    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.digits.iter().copied().filter(|byte| *byte != b'.')
    }

    pub fn order(&self, other: &Number<'_>) -> Ordering {
        let sign = |number: &Number<'_>| if number.is_zero() { 0 } else { 1 - 2 * i8::from(number.negative) };
        sign(self).cmp(&sign(other)).then_with(|| {
            let size = self.point.cmp(&other.point).then_with(|| self.digits().cmp(other.digits()));
            if self.negative { size.reverse() } else { size }
        })
    }

    /// One text for each value, the one that JavaScript would print: `1.5`, `1000`, `1e+21`.
    pub fn write(&self, out: &mut Vec<u8>) {
        const PLAIN: std::ops::RangeInclusive<i64> = -5..=21;
        if PLAIN.contains(&self.point) {
            return self.write_plain(out);
        }
        self.write_sign(out);
        let mut digits = self.digits();
        out.extend(digits.next());
        let start = out.len();
        out.push(b'.');
        out.extend(digits);
        if out.len() == start + 1 {
            out.truncate(start);
        }
        let exponent = self.point - 1;
        out.extend_from_slice(format!("e{}{}", if exponent < 0 { '-' } else { '+' }, exponent.abs()).as_bytes());
    }

    /// The same without an exponent, as an expression spells it. Long where the point is far off.
    pub fn write_plain(&self, out: &mut Vec<u8>) {
        self.write_sign(out);
        if self.point <= 0 {
            out.push(b'0');
        }
        if self.point < 0 {
            out.push(b'.');
            out.extend((self.point..0).map(|_| b'0'));
        } else if self.point == 0 && !self.is_zero() {
            out.push(b'.');
        }
        let mut digits = self.digits();
        for _ in 0..self.point.max(0) {
            out.push(digits.next().unwrap_or(b'0'));
        }
        if let Some(digit) = digits.next() {
            if self.point > 0 {
                out.push(b'.');
            }
            out.push(digit);
            out.extend(digits);
        }
    }

    fn write_sign(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
    }
}

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.order(other).is_eq()
    }
}

impl Eq for Number<'_> {}

/// What stands behind the `e`.
fn read_exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: i64, digit: &u8| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')).min(EXPONENT_MAX);
    Some(sign * digits.iter().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number<'_> {
        Number::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        number(text).write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_value_has_one_spelling() {
        let tests = [
            ("0", "0"),
            ("-0", "0"),
            ("0.000", "0"),
            ("0e99", "0"),
            ("1", "1"),
            ("+1", "1"),
            ("1.0", "1"),
            ("1.50", "1.5"),
            ("-12.25", "-12.25"),
            ("100", "100"),
            ("1e2", "100"),
            ("0.1", "0.1"),
            ("0.0123", "0.0123"),
            ("1e-6", "0.000001"),
            ("1e-7", "1e-7"),
            ("12e-8", "1.2e-7"),
            ("1E+20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1234.5e30", "1.2345e+33"),
            ("123456789012345678901234567890", "1.2345678901234567890123456789e+29"),
            ("1e999", "1e+999"),
        ];
        for (text, expected) in tests {
            assert_eq!(written(text), expected, "{text}");
        }
    }

    #[test]
    fn order_is_exact() {
        let ascending = [
            "-1e999",
            "-10",
            "-9.5",
            "-0.001",
            "0",
            "1e-999",
            "0.09",
            "0.1",
            "1",
            "1.0000000000000000000000000000001",
            "2",
            "10",
            "99999999999999999998",
            "99999999999999999999",
            "1e998",
            "1e999",
            "1e99999999999999999999999",
        ];
        for (at, low) in ascending.iter().enumerate() {
            for (other, high) in ascending.iter().enumerate() {
                assert_eq!(number(low).order(&number(high)), at.cmp(&other), "{low} {high}");
            }
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in
            ["", "-", ".", "1.", ".5", "1.2.3", "e5", "1e", "1e+", "0x10", " 1", "1 ", "--1", "1_000", "NaN", "1e5.0"]
        {
            assert!(Number::parse(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn both_spellings_are_the_number(text in "-?[0-9]{1,25}(\\.[0-9]{1,25})?(e-?[0-9]{1,2})?") {
            for write in [Number::write, Number::write_plain] {
                let mut out = Vec::new();
                write(&number(&text), &mut out);
                prop_assert_eq!(Number::parse(&out), Some(number(&text)));
            }
        }

        #[test]
        fn small_numbers_order_like_machine_numbers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000, scale in 0u32..6) {
            let divisor = 10i64.pow(scale) as f64;
            let (x, y) = (a as f64 / divisor, b as f64 / divisor);
            let order = number(&x.to_string()).order(&number(&y.to_string()));
            prop_assert_eq!(Some(order), x.partial_cmp(&y));
        }
    }
}
