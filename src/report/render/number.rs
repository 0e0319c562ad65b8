//! Numbers as people read them.

/// A count with thousands separators: `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut separated = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            separated.push(',');
        }
        separated.push(digit);
    }
    separated
}

/// A count with its noun, regular plural: `1 record`, `1,200 records`.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A share of 0 to 1 in percent, with one decimal.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        p if !p.is_finite() => "–".to_owned(),
        p if p > 0.0 && p < 0.05 => "<0.1%".to_owned(),
        p if (99.95..100.0).contains(&p) => ">99.9%".to_owned(),
        p => format!("{p:.1}%"),
    }
}

/// A cosine similarity, with two decimals.
pub(crate) fn similarity(cosine: f64) -> String {
    decimals(cosine, 2)
}

/// An outlier score, with two decimals.
pub(crate) fn score(score: f64) -> String {
    decimals(score, 2)
}

/// A p-value, with three decimals.
pub(crate) fn p_value(p: f64) -> String {
    if (0.0..0.0005).contains(&p) { "<0.001".to_owned() } else { decimals(p, 3) }
}

/// A p-value with its sign: `p = 0.020`, `p < 0.001`.
pub(crate) fn p_is(p: f64) -> String {
    let shown = p_value(p);
    shown.strip_prefix('<').map_or_else(|| format!("p = {shown}"), |least| format!("p < {least}"))
}

/// An effective number (Hill, Vendi), with one decimal below 100 and none above.
pub(crate) fn effective(n: f64) -> String {
    if n.is_finite() && n >= 99.95 { count(n.round() as u64) } else { decimals(n, 1) }
}

fn decimals(x: f64, places: usize) -> String {
    if !x.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{x:.places$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.bytes().all(|b| matches!(b, b'0' | b'.')) => zero.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_read_them() {
        assert_eq!([0, 12, 999, 1000, 1_234_567].map(count), ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 2].map(|n| counted(n, "row")), ["0 rows", "1 row", "2 rows"]);
        assert_eq!([0.0, 0.0004, 0.1234, 0.9996, 1.0].map(percent), ["0.0%", "<0.1%", "12.3%", ">99.9%", "100.0%"]);
        assert_eq!([0.0, 0.0002, 0.0312, 1.0].map(p_value), ["<0.001", "<0.001", "0.031", "1.000"]);
        assert_eq!([0.0002, 0.0312].map(p_is), ["p < 0.001", "p = 0.031"]);
        assert_eq!([3.12, 99.94, 99.96, 4096.4].map(effective), ["3.1", "99.9", "100", "4,096"]);
        assert_eq!([-0.001, -0.5, f64::NAN].map(similarity), ["0.00", "-0.50", "–"]);
    }
}
