//! Files that earlier versions wrote: what was written once is read for good. A new format version adds a file here.

use std::path::Path;

use semcov::profile::Profile;

fn read(name: &str) -> Profile {
    Profile::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat").join(name)).unwrap()
}

/// 62 records about rain, jazz, trains and cards, with vectors of eight components: 60 texts, one of them twice, and a
/// record without text; 12 leaves, 4 regions, and a sample of 20 texts with examples.
#[test]
fn profile_of_version_1() {
    let profile = read("profile-v1.semcov");
    assert_eq!((profile.encoder.name.as_str(), profile.encoder.dim), ("vectors:vector", 8));
    let codebook = &profile.codebook;
    assert_eq!((codebook.dim, codebook.n_leaves(), codebook.n_regions()), (8, 12, 4));
    assert_eq!(codebook.fingerprint(), "14004b86f4206ce1");
    assert_eq!(profile.region_names, ["rain text", "jazz text", "train text", "card text"]);
    assert_eq!(profile.leaf_names.len(), 12);

    let observed = &profile.observed;
    assert_eq!((observed.rows, observed.empty, observed.bad_rows), (62, 1, 0));
    assert_eq!(profile.rows_per_leaf(), [10, 5, 4, 5, 2, 1, 3, 8, 5, 2, 7, 9]);
    assert_eq!(
        observed.sources.iter().map(|(name, rows)| (name.as_str(), *rows)).collect::<Vec<_>>(),
        [("chat", 31), ("mail", 30)]
    );
    assert_eq!((observed.labels["rain"], observed.licences.len()), (15, 0));
    assert_eq!(
        (observed.leaves[0].rows, observed.leaves[0].distance, observed.leaves[0].squares),
        ([7, 3], [16070, 17023], [44_722_510, 107_098_693])
    );
    assert_eq!(observed.leaves[0].histogram.map(|half| half.iter().sum::<u64>()), observed.leaves[0].rows);
    assert_eq!(observed.leaves[0].sum, [614_665, 8815, 5745, 56580, 64135, -25567, -33891, 38158]);
    assert_eq!(observed.moments.n(), 61);
    // Vectors have unit length, up to the rounding of their components.
    assert!((observed.moments.trace() - 61.0).abs() < 0.01, "{}", observed.moments.trace());

    let sample = profile.sample.as_ref().unwrap();
    assert_eq!((sample.limit, sample.len(), sample.hashes[0]), (20, 20, 369_370_442_510_643_098));
    assert_eq!((sample.ids[0].as_str(), sample.rows[0], sample.leaves[0]), ("r-56", 1, 1));
    assert_eq!(sample.vectors[..8], [127, -1, 13, -18, 4, -19, 6, -8]);
    assert_eq!(sample.texts.as_ref().unwrap()[0], "rain text 56");

    // Its version knew no groups, no prototypes and no census.
    assert_eq!(sample.groups, [0; 20]);
    assert_eq!((&profile.prototypes, &profile.census), (&None, &None));
    assert!(!profile.distinct_texts_exact());

    let provenance = &profile.provenance;
    assert_eq!((provenance.seed, provenance.fitted), (3, true));
    assert_eq!(provenance.versions.iter().collect::<Vec<_>>(), ["0.1.0"]);
    assert_eq!(provenance.digest.to_string(), "6abfcc8fe590b68e9b923a0cb3ab4e5e1dfc46d3f69cb7a7850dbc6ff8e19016");

    let twice = profile.clone().merge(profile.clone()).unwrap();
    assert_eq!(twice.observed.rows, 124);
    assert_eq!(Profile::from_bytes(&twice.to_bytes().unwrap(), "twice").unwrap(), twice);
}
