//! Whether an encoder keeps its vectors in a lower precision: their cosines to those in f32, on texts of many kinds.
//!
//! How much rounding moves a vector depends on the weights, so it is measured with the encoder at hand. The texts are always
//! the same: two runs over different corpora choose alike. Cost: some 900 tokens in both precisions.

use super::{Encoder, Precision};
use crate::Result;

/// Cosines of vectors to those in f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Over all texts, in the mean.
    pub mean: f64,
    /// Of the text that is moved most.
    pub least: f64,
}

impl Agreement {
    /// What vectors in f16 on a GPU have to hold.
    pub(super) const ON_GPU: Self = Self { mean: 0.9999, least: 0.9995 };

    /// What vectors of a precision have to hold to stand for those in f32.
    #[must_use]
    pub fn expected(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self { mean: 0.99999, least: 0.99999 },
            Precision::Bf16 => Self { mean: 0.999, least: 0.999 },
            Precision::Int8 => Self { mean: 0.995, least: 0.98 },
        }
    }

    /// Compares unit vectors, `dim` components each, one for one.
    ///
    /// # Panics
    /// If there are more of one than of the other.
    #[must_use]
    pub fn of(vectors: &[f32], in_f32: &[f32], dim: usize) -> Self {
        assert_eq!(vectors.len(), in_f32.len(), "the same texts");
        let pairs = vectors.chunks_exact(dim).zip(in_f32.chunks_exact(dim));
        let cosines = pairs.map(|(a, b)| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>());
        let (mut n, mut sum, mut least) = (0.0, 0.0, f64::INFINITY);
        for cosine in cosines {
            (n, sum, least) = (n + 1.0, sum + cosine, f64::min(least, cosine));
        }
        Self { mean: sum / n, least }
    }

    /// Whether it is at least `expected`; never where a vector is not a number.
    #[must_use]
    pub fn holds(self, expected: Self) -> bool {
        self.mean >= expected.mean && self.least >= expected.least
    }
}

/// Compares two encoders of the same tokens on texts of many kinds.
pub(super) fn measure(encoder: &dyn Encoder, in_f32: &dyn Encoder) -> Result<Agreement> {
    let texts = in_f32.tokenize(&TEXTS)?;
    let [vectors, in_f32_vectors] = [encoder.encode(&texts)?, in_f32.encode(&texts)?];
    Ok(Agreement::of(&vectors, &in_f32_vectors, in_f32.id().dim))
}

/// Short and long, questions and statements, code, figures, lists, other languages and scripts, and hardly anything.
const TEXTS: [&str; 40] = [
    "?",
    "yes",
    "thanks!!",
    "asdf qwer zxcv",
    "HELLO ARE YOU THERE",
    "what is my balance",
    "how do I reset the password of my account",
    "book a table for two at seven tonight",
    "where is my parcel? it should have come on Monday",
    "please cancel the subscription and send the money back",
    "what's the weather going to be like in Lisbon tomorrow",
    "convert 12.5 miles to kilometers",
    "translate good morning into Japanese",
    "my screen stays black after the update, but the fan is running",
    "The committee postponed its decision until the auditors have seen the accounts.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "In 1687 a theory of motion and gravity was published that explained tides, comets and the paths of planets.",
    "A train leaves at 9:40 and travels 180 km in two hours. At what speed does it travel, and when does it arrive?",
    "Mara has 3 boxes with 14 pencils each. She gives 9 pencils to her brother and shares the rest among 11 friends. How \
     many pencils does each friend get?",
    "If x + 3y = 12 and 2x - y = 3, then x = 3 and y = 3.",
    "The patient reports a dull pain in the lower back since last week, no fever, normal blood pressure.",
    "The tenant shall return the premises in the condition in which they were received, ordinary wear excepted.",
    "Preheat the oven to 200 degrees. Mix flour, butter, sugar and two eggs, rest the dough for an hour, and bake it for \
     25 minutes until the edges are brown.",
    "fn main() { let sum: u64 = (1..=100).filter(|n| n % 3 == 0).sum(); println!(\"{sum}\"); }",
    "def mean(xs):\n    \"\"\"Return the mean of a list.\"\"\"\n    return sum(xs) / len(xs)",
    "SELECT region, COUNT(*) FROM orders WHERE placed_at >= '2024-01-01' GROUP BY region ORDER BY 2 DESC;",
    "{\"id\": 17, \"name\": \"lamp\", \"price\": 39.9, \"tags\": [\"home\", \"light\"], \"stock\": null}",
    "error[E0382]: borrow of moved value: `rows`, at line 214, column 9",
    "https://example.org/search?q=red+shoes&page=2#results",
    "- apples\n- pears\n- 2 kg of potatoes\n- milk\n- bread\n- something for the cat",
    "Dear Ms Novak, I am writing to ask whether the position that you advertised is still open. I have worked for six years \
     in a laboratory for water analysis, and I would be glad to send you my papers. Kind regards",
    "Wo finde ich die Rechnung vom letzten Monat?",
    "Je voudrais savoir si le musée est ouvert le dimanche.",
    "El pedido llegó roto y nadie contesta el teléfono.",
    "Когда отправляется последний поезд?",
    "今天晚上附近有什么好吃的餐厅？",
    "الطقس جميل اليوم",
    "😀😀 best day ever 🎉",
    "The review was long. It said that the first half of the novel drags, that its hero has no reason to do what he does, \
     and that the village, which is drawn with love and a good eye for weather, is the only character one would like to \
     meet again. It also said that the ending, which turns on a letter nobody could have written, should have been cut. \
     All the same the reviewer had read it twice, and had lent it to a friend, who has not given it back.",
    "Step 1: open the settings. Step 2: choose Network. Step 3: switch Wi-Fi off, wait ten seconds, and switch it on again. \
     If the connection still drops, note the time and the lights of the router, restart both devices, and write down \
     which of them was ready first. Step 4: send these notes to support together with the serial number on the back.",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let found = Agreement::of(&[1.0, 0.0, 0.6, 0.8], &[1.0, 0.0, 0.8, 0.6], 2);
        assert!((found.mean - 0.98).abs() < 1e-6 && (found.least - 0.96).abs() < 1e-6, "{found:?}");
        assert!(found.holds(Agreement { mean: 0.97, least: 0.95 }));
        assert!(
            !found.holds(Agreement { mean: 0.99, least: 0.95 }) && !found.holds(Agreement { mean: 0.97, least: 0.97 })
        );
        assert!(!Agreement::of(&[f32::NAN], &[1.0], 1).holds(Agreement { mean: -1.0, least: -1.0 }));
    }
}
