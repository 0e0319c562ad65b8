//! The codebook: frozen centroids that divide meaning into leaves, and the leaves into regions.
//!
//! Leaves are spherical k-means clusters of the rows; regions are weighted spherical k-means clusters of the leaves'
//! centroids, each leaf weighing as much as it has rows. Ids mean the same for the same rows, whatever their order:
//! regions are numbered by falling size, leaves by region and then by falling size, ties by their first row.

use half::f16;

use super::assign::{Assignment, Search, assign};
use super::kmeans::KMeansParams;
use crate::progress::{Progress, Silent, Stage};
use crate::vectors::{EmbeddingMatrix, Rows, normalize};
use crate::{Error, Result};

/// Settings of a codebook, as typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CodebookParams {
    /// Leaves to fit, at least 1; [`default_leaves`] where it is `None`.
    pub leaves: Option<usize>,
    /// Regions to group them into, at least 1; [`default_regions`] where it is `None`.
    pub regions: Option<usize>,
    /// Seed of the draws.
    pub seed: u64,
}

/// Leaves of a codebook for `n` distinct texts: n / 100, or 5/4 of the square root of n where that is more (below
/// 15,625 texts), from 10 to 4,096.
///
/// n / 100 alone is too coarse for small corpora: of 20 corpora of 600 queries on twelve intents, one of them with 10
/// queries only, that one had a region of its own (F1 above .6) in 1 with 10 leaves, 15 with 24, 20 with 30 and 36.
#[must_use]
pub fn default_leaves(n: usize) -> usize {
    (n / 100).max((n * 25 / 16).isqrt()).clamp(10, 4096)
}

/// Regions of a codebook of `leaves` leaves: as many, up to 50.
#[must_use]
pub fn default_regions(leaves: usize) -> usize {
    leaves.min(50)
}

/// Frozen centroids; every leaf held at least one row of the corpus that it was fitted to.
#[derive(Clone, Debug, PartialEq)]
pub struct Codebook {
    /// Components of a centroid.
    pub dim: usize,
    /// Unit centroids of the leaves, leaves x dim.
    pub leaves: Vec<f32>,
    /// The region of each leaf; never falls with the leaf's id.
    pub region_of_leaf: Vec<u32>,
    /// Unit centroids of the regions, regions x dim.
    pub regions: Vec<f32>,
}

impl Codebook {
    /// Fits a codebook and assigns every row to its leaf.
    ///
    /// There may come out fewer leaves and regions than asked for: never more than different rows, none without rows.
    /// No rows make a codebook without leaves.
    ///
    /// # Errors
    /// [`Error::Setting`] where a setting is out of its range.
    pub fn fit<'a>(
        rows: impl Into<Rows<'a>>,
        params: &CodebookParams,
        progress: &dyn Progress,
    ) -> Result<(Self, Assignment)> {
        let rows = rows.into();
        for (setting, value) in [("leaves", params.leaves), ("regions", params.regions)] {
            if value == Some(0) {
                return Err(Error::Setting { setting, expected: "at least 1".to_owned(), got: "0".to_owned() });
            }
        }
        let (n, dim) = (rows.len(), rows.dim());
        let k = params.leaves.unwrap_or_else(|| default_leaves(n));
        let k_means = KMeansParams { seed: params.seed, ..KMeansParams::new(k) }.check()?;
        progress.start(Stage::Cluster, Some(k_means.row_visits(n) + n as u64));
        let centroids = k_means.fit(rows, None, progress).centroids;
        let assignment = Search::new(rows, centroids.len() / dim).assign(&centroids, &[], progress);
        progress.finish();

        let leaves = Leaves::with_rows(dim, &centroids, &assignment);
        let regions = params.regions.unwrap_or_else(|| default_regions(leaves.len()));
        let regions = Regions::fit(dim, &leaves, regions, params.seed)?;
        Ok(Self::numbered(dim, &leaves, &regions, assignment))
    }

    /// The codebook with every component rounded to half precision, so that a file of halves holds it exactly. Centroids
    /// then have unit length up to 2^-11.
    #[must_use]
    pub fn rounded(mut self) -> Self {
        for x in self.leaves.iter_mut().chain(&mut self.regions) {
            *x = f16::from_f32(*x).to_f32();
        }
        self
    }

    /// 16 hexadecimal digits over all fields.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let Self { dim, leaves, region_of_leaf, regions } = self;
        let mut hasher = blake3::Hasher::new();
        for length in [*dim, leaves.len(), regions.len()] {
            hasher.update(&(length as u64).to_le_bytes());
        }
        for x in leaves.iter().chain(regions) {
            hasher.update(&x.to_le_bytes());
        }
        for region in region_of_leaf {
            hasher.update(&region.to_le_bytes());
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    /// Number of leaves.
    #[must_use]
    pub fn n_leaves(&self) -> usize {
        self.region_of_leaf.len()
    }

    /// Number of regions.
    #[must_use]
    pub fn n_regions(&self) -> usize {
        self.regions.len() / self.dim
    }

    /// The centroid of a leaf.
    #[must_use]
    pub fn leaf(&self, leaf: u32) -> &[f32] {
        &self.leaves[leaf as usize * self.dim..][..self.dim]
    }

    /// The centroid of a region.
    #[must_use]
    pub fn region(&self, region: u32) -> &[f32] {
        &self.regions[region as usize * self.dim..][..self.dim]
    }

    /// Gives leaves and regions their final ids, in the codebook and in the assignment.
    fn numbered(dim: usize, leaves: &Leaves, regions: &Regions, mut assignment: Assignment) -> (Self, Assignment) {
        let mut region_order: Vec<usize> = (0..regions.sizes.len()).collect();
        region_order.sort_by_key(|&region| (std::cmp::Reverse(regions.sizes[region]), regions.first_rows[region]));
        let region_ids = positions(&region_order);
        let region_of = |leaf: usize| region_ids[regions.of_leaf[leaf] as usize];

        let mut leaf_order: Vec<usize> = (0..leaves.len()).collect();
        leaf_order
            .sort_by_key(|&leaf| (region_of(leaf), std::cmp::Reverse(leaves.sizes[leaf]), leaves.first_rows[leaf]));
        let leaf_ids = positions(&leaf_order);

        for nearest in &mut assignment.nearest {
            *nearest = leaf_ids[leaves.kept[*nearest as usize] as usize];
        }
        let codebook = Self {
            dim,
            leaves: reordered(dim, &leaves.centroids, &leaf_order),
            region_of_leaf: leaf_order.iter().map(|&leaf| region_of(leaf)).collect(),
            regions: reordered(dim, &regions.centroids, &region_order),
        };
        (codebook, assignment)
    }
}

/// `order` inverted: where each index went.
fn positions(order: &[usize]) -> Vec<u32> {
    let mut positions = vec![0; order.len()];
    for (position, &index) in order.iter().enumerate() {
        positions[index] = position as u32;
    }
    positions
}

fn reordered(dim: usize, rows: &[f32], order: &[usize]) -> Vec<f32> {
    order.iter().flat_map(|&row| &rows[row * dim..][..dim]).copied().collect()
}

/// Leaves that hold rows, in the order of k-means.
struct Leaves {
    centroids: Vec<f32>,
    sizes: Vec<u64>,
    first_rows: Vec<u32>,
    /// Index of every k-means cluster among the leaves; meaningless for clusters without rows.
    kept: Vec<u32>,
}

impl Leaves {
    fn with_rows(dim: usize, centroids: &[f32], assignment: &Assignment) -> Self {
        let mut leaves = Self { centroids: Vec::new(), sizes: Vec::new(), first_rows: Vec::new(), kept: Vec::new() };
        for (members, centroid) in assignment.members(centroids.len() / dim).iter().zip(centroids.chunks_exact(dim)) {
            leaves.kept.push(leaves.len() as u32);
            if let Some(&first) = members.first() {
                leaves.centroids.extend_from_slice(centroid);
                leaves.sizes.push(members.len() as u64);
                leaves.first_rows.push(first);
            }
        }
        leaves
    }

    fn len(&self) -> usize {
        self.sizes.len()
    }
}

/// Groups of leaves, in the order of k-means.
struct Regions {
    centroids: Vec<f32>,
    of_leaf: Vec<u32>,
    sizes: Vec<u64>,
    first_rows: Vec<u32>,
}

impl Regions {
    fn fit(dim: usize, leaves: &Leaves, k: usize, seed: u64) -> Result<Self> {
        let points = EmbeddingMatrix::from_f32(dim, &leaves.centroids);
        let weights: Vec<f64> = leaves.sizes.iter().map(|&size| size as f64).collect();
        let of_leaf = if k >= leaves.len() {
            (0..leaves.len() as u32).collect()
        } else {
            // Leaves are few, so several seedings cost little.
            let params = KMeansParams { n_init: 8, max_iterations: 100, tolerance: 0.0, seed, ..KMeansParams::new(k) };
            let params = KMeansParams { points_per_cluster: leaves.len(), ..params };
            let centroids = params.check()?.fit(&points, Some(&weights), &Silent).centroids;
            without_gaps(assign(&points, &centroids).nearest)
        };
        let n_regions = of_leaf.iter().max().map_or(0, |&max| max as usize + 1);
        let mut sums = vec![0.0_f64; n_regions * dim];
        let mut sizes = vec![0; n_regions];
        let mut first_rows = vec![u32::MAX; n_regions];
        for (leaf, &region) in of_leaf.iter().enumerate() {
            let region = region as usize;
            let centroid = &leaves.centroids[leaf * dim..][..dim];
            for (sum, &x) in sums[region * dim..].iter_mut().zip(centroid) {
                *sum += weights[leaf] * f64::from(x);
            }
            sizes[region] += leaves.sizes[leaf];
            first_rows[region] = first_rows[region].min(leaves.first_rows[leaf]);
        }
        let mut centroids = Vec::with_capacity(sums.len());
        for (sum, &size) in sums.chunks_exact(dim).zip(&sizes) {
            let mut mean: Vec<f32> = sum.iter().map(|x| (x / size as f64) as f32).collect();
            normalize(&mut mean);
            centroids.extend(mean);
        }
        Ok(Self { centroids, of_leaf, sizes, first_rows })
    }
}

/// Renumbers clusters so that none is without members.
fn without_gaps(mut nearest: Vec<u32>) -> Vec<u32> {
    let mut used = nearest.clone();
    used.sort_unstable();
    used.dedup();
    for cluster in &mut nearest {
        *cluster = used.partition_point(|used| used < cluster) as u32;
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kmeans::tests::bundles;

    fn fit(matrix: &EmbeddingMatrix, leaves: Option<usize>, regions: Option<usize>) -> (Codebook, Assignment) {
        Codebook::fit(matrix, &CodebookParams { leaves, regions, seed: 5 }, &Silent).unwrap()
    }

    /// Everything that the documentation promises of a codebook.
    fn check(matrix: &EmbeddingMatrix, codebook: &Codebook, assignment: &Assignment) {
        assert_eq!(*assignment, assign(matrix, &codebook.leaves), "ids are those of the centroids");
        let sizes = assignment.counts(codebook.n_leaves());
        assert!(sizes.iter().all(|&size| size > 0));
        assert!(codebook.region_of_leaf.is_sorted());
        let mut of_regions = vec![0; codebook.n_regions()];
        for (leaf, &region) in codebook.region_of_leaf.iter().enumerate() {
            of_regions[region as usize] += sizes[leaf];
        }
        assert!(of_regions.iter().all(|&size| size > 0) && of_regions.is_sorted_by(|a, b| a >= b), "{of_regions:?}");
        for leaf in 1..codebook.n_leaves() {
            let same_region = codebook.region_of_leaf[leaf] == codebook.region_of_leaf[leaf - 1];
            assert!(!same_region || sizes[leaf - 1] >= sizes[leaf]);
        }
        for centroid in codebook.leaves.chunks(codebook.dim).chain(codebook.regions.chunks(codebook.dim)) {
            let square: f32 = centroid.iter().map(|x| x * x).sum();
            assert!((square - 1.0).abs() < 1e-5, "{square}");
        }
    }

    #[test]
    fn leaves_and_regions_in_order() {
        let matrix = bundles(12, 40, 16, 0.6);
        for (leaves, regions) in [(None, None), (Some(40), Some(6)), (Some(7), Some(7)), (Some(3), Some(9))] {
            let (codebook, assignment) = fit(&matrix, leaves, regions);
            check(&matrix, &codebook, &assignment);
            assert_eq!(codebook.n_leaves(), leaves.unwrap_or(27));
            assert_eq!(codebook.n_regions(), regions.unwrap_or(27).min(codebook.n_leaves()));
        }
    }

    #[test]
    fn tiny_corpora() {
        let (none, assignment) = fit(&EmbeddingMatrix::from_f32(3, &[]), None, None);
        assert_eq!((none.n_leaves(), none.n_regions(), assignment.nearest.len()), (0, 0, 0));
        for rows in [vec![1.0, 0.0], vec![1.0, 0.0, 0.0, 1.0], [0.6, 0.8].repeat(50)] {
            let matrix = EmbeddingMatrix::from_f32(2, &rows);
            let (codebook, assignment) = fit(&matrix, None, None);
            check(&matrix, &codebook, &assignment);
            assert_eq!(codebook.n_leaves(), if rows.len() == 4 { 2 } else { 1 });
        }
    }

    #[test]
    fn same_bytes_at_any_number_of_threads() {
        let matrix = bundles(30, 31, 24, 0.7);
        let fits = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&matrix, Some(60), Some(10)))
        });
        assert!(fits[0] == fits[1] && fits[0] == fits[2]);
    }

    #[test]
    fn of_chosen_rows_and_rounded() {
        let matrix = bundles(12, 40, 16, 0.6);
        let chosen: Vec<u32> = (0..480).step_by(2).collect();
        let params = CodebookParams { leaves: Some(20), regions: Some(5), seed: 3 };
        let (codebook, _) = Codebook::fit(Rows::of(&matrix, &chosen), &params, &Silent).unwrap();
        let even = Rows::from(&matrix).fold(0, 2);
        assert_eq!(codebook, Codebook::fit(even, &params, &Silent).unwrap().0);
        assert_ne!(codebook, Codebook::fit(&matrix, &params, &Silent).unwrap().0);
        let rounded = codebook.clone().rounded();
        assert!(rounded != codebook && rounded.clone().rounded() == rounded);
        assert!(rounded.leaves.iter().zip(&codebook.leaves).all(|(a, b)| (a - b).abs() <= 2.0_f32.powi(-12)));
        assert_ne!(rounded.fingerprint(), codebook.fingerprint());
    }

    #[test]
    fn refused_settings() {
        let matrix = EmbeddingMatrix::from_f32(2, &[1.0, 0.0]);
        for params in [
            CodebookParams { leaves: Some(0), ..CodebookParams::default() },
            CodebookParams { regions: Some(0), ..CodebookParams::default() },
        ] {
            assert!(matches!(Codebook::fit(&matrix, &params, &Silent), Err(Error::Setting { .. })));
        }
    }

    #[test]
    fn leaves_by_size_of_corpus() {
        assert_eq!([0, 50, 600, 10_000, 1_000_000].map(default_leaves), [10, 10, 30, 125, 4096]);
    }
}
