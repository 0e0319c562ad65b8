//! Which members show what a cluster is about.

use rayon::prelude::*;

use crate::vectors::EmbeddingMatrix;

/// The member nearest to the centroid, the first of several; `None` of an empty cluster.
#[must_use]
pub fn medoid(matrix: &EmbeddingMatrix, members: &[u32], centroid: &[f32]) -> Option<u32> {
    let cosines = cosines(matrix, members, centroid);
    let nearest = cosines.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    nearest.map(|(position, _)| members[position])
}

/// Up to `count` members that differ from `first` and from each other as much as possible: k-center by farthest-point
/// traversal (Gonzalez 1985, <https://doi.org/10.1016/0304-3975(85)90224-5>), starting from `first`.
///
/// Each next one is the member furthest from all chosen before, the first of several; copies of these are never
/// chosen. Shows the extent of a cluster, its odd members included. Cost: members x count x dim.
#[must_use]
pub fn varied_members(matrix: &EmbeddingMatrix, members: &[u32], first: u32, count: usize) -> Vec<u32> {
    /// f16 rows tell cosines apart down to about this.
    const EQUAL: f32 = 1.0 - 1e-4;
    let mut chosen = Vec::new();
    let mut nearest = vec![f32::NEG_INFINITY; members.len()];
    let mut last = vec![0.0; matrix.dim()];
    matrix.read_row(first as usize, &mut last);
    while chosen.len() < count {
        for (nearest, cosine) in nearest.iter_mut().zip(cosines(matrix, members, &last)) {
            *nearest = nearest.max(cosine);
        }
        let furthest = nearest.iter().enumerate().reduce(|best, next| if next.1 < best.1 { next } else { best });
        let Some((position, _)) = furthest.filter(|(_, cosine)| **cosine < EQUAL) else { break };
        chosen.push(members[position]);
        matrix.read_row(members[position] as usize, &mut last);
    }
    chosen
}

/// Cosine of every member to a unit vector.
fn cosines(matrix: &EmbeddingMatrix, members: &[u32], to: &[f32]) -> Vec<f32> {
    let cosine = |row: &mut Vec<f32>, &member: &u32| {
        matrix.read_row(member as usize, row);
        row.iter().zip(to).map(|(x, y)| x * y).sum()
    };
    members.par_iter().with_min_len(256).map_init(|| vec![0.0; matrix.dim()], cosine).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::at;

    #[test]
    fn medoid_is_the_nearest_member() {
        let matrix = at(&[5.0, 40.0, 20.0, 30.0, 20.0]);
        let centroid = [22.0_f32.to_radians().cos(), 22.0_f32.to_radians().sin()];
        assert_eq!(medoid(&matrix, &[0, 1, 2, 3, 4], &centroid), Some(2));
        assert_eq!(medoid(&matrix, &[0, 3], &centroid), Some(3));
        assert_eq!(medoid(&matrix, &[], &centroid), None);
    }

    #[test]
    fn varied_members_are_far_apart() {
        let matrix = at(&[0.0, 10.0, 100.0, 50.0, 0.0]);
        let all = [0, 1, 2, 3, 4];
        assert_eq!(varied_members(&matrix, &all, 0, 2), [2, 3]);
        assert_eq!(varied_members(&matrix, &all, 0, 9), [2, 3, 1], "row 4 is a copy of row 0");
        assert_eq!(varied_members(&matrix, &[0, 4], 0, 3), [0; 0]);
    }
}
