use super::*;
use crate::embed::BadRowLimit;
use crate::progress::Silent;
use crate::vectors::NpyWriter;

fn row(line: u64, text: &str, vector: Option<&[f32]>) -> Row {
    let record = Record {
        id: line.to_string(),
        text: text.to_owned(),
        vector: vector.map(<[f32]>::to_vec),
        ..Record::default()
    };
    Row { input: 0, line, record: Ok(record) }
}

fn given(rows: impl IntoIterator<Item = Result<Row>>, limit: u64) -> (Result<EmbeddedCorpus>, Vec<String>) {
    let inputs = ["corpus.parquet".to_owned()];
    let options = EmbedOptions {
        inputs: &inputs,
        max_bad_rows: BadRowLimit::Rows(limit),
        total_rows: None,
        leave_out_synthetic: false,
    };
    let mut bad = Vec::new();
    let corpus = given_vectors(rows, "emb", &options, &Silent, &mut |row| {
        bad.push(row.to_string());
        Ok(())
    });
    (corpus, bad)
}

#[test]
fn takes_good_vectors_and_lists_bad_ones() {
    let rows = [
        row(1, "a", Some(&[3.0, 4.0])),
        row(2, " a ", Some(&[3.0, 4.0])),
        row(3, "a", Some(&[4.0, 3.0])),
        row(4, "b", Some(&[1.0, 2.0, 3.0])),
        row(5, "b", Some(&[f32::NAN, 1.0])),
        row(6, "b", Some(&[0.0, -0.0])),
        row(7, "b", None),
        row(8, "", Some(&[0.0, 1e-30])),
        row(9, " ", None),
        row(10, "", Some(&[0.0, 0.0])),
    ];
    let (corpus, bad) = given(rows.into_iter().map(Ok), 4);
    let expected = [
        "corpus.parquet:4: expected a vector of 2 components, got 3",
        "corpus.parquet:5: expected finite components, got NaN as component 1",
        "corpus.parquet:6: expected a direction, got a vector of zeros",
        "corpus.parquet:7: expected a vector, got none",
    ];
    assert_eq!(bad, expected);
    let corpus = corpus.unwrap();
    assert_eq!((corpus.encoder.name.as_str(), corpus.encoder.dim), ("vectors:emb", 2));
    let counts = &corpus.counts;
    assert_eq!((counts.rows, counts.bad_rows, counts.empty), (6, 4, 2));
    assert_eq!((counts.distinct_texts, counts.exact_duplicates, counts.tokens), (3, 1, None));
    let vector = |record| {
        let mut vector = vec![0.0; 2];
        corpus.vectors.read_row(corpus.records.text(record).unwrap() as usize, &mut vector);
        vector
    };
    for (record, expected) in [(0, [0.6, 0.8]), (1, [0.6, 0.8]), (2, [0.8, 0.6]), (3, [0.0, 1.0])] {
        // f16 has 11 bits.
        assert!(vector(record).iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 5e-4), "record {record}");
    }
}

#[test]
fn a_corpus_without_any_vector_is_an_error() {
    let (corpus, _) = given([Ok(row(1, "", None))], 0);
    assert_eq!(
        corpus.unwrap_err().to_string(),
        "vectors:emb: expected a vector in at least one row, got none in 1 rows"
    );
    let (corpus, bad) = given([Ok(row(1, "a", None))], 5);
    assert!(matches!(corpus, Err(Error::TooManyBadRows { bad: 1, rows: 1, .. })));
    assert_eq!(bad.len(), 1);
}

#[test]
fn rows_of_an_array_belong_to_rows_of_the_corpus() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = NpyWriter::new(file.reopen().unwrap(), 3, 2).unwrap();
    for row in [[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]] {
        writer.push(&row).unwrap();
    }
    writer.finish().unwrap();
    let broken = BadRow { file: "corpus.parquet".to_owned(), line: 2, reason: "broken".to_owned() };
    let rows =
        [row(1, "a", None), Row { input: 0, line: 2, record: Err(broken) }, row(3, "b", None), row(4, "c", None)];
    let attach = |n: usize| {
        let rows: Vec<Result<Row>> = rows.iter().take(n).cloned().map(Ok).collect();
        given(with_npy(rows, NpyReader::open(file.path()).unwrap()), 1).0
    };
    let corpus = attach(3).unwrap();
    let mut vector = vec![0.0; 2];
    corpus.vectors.read_row(corpus.records.text(1).unwrap() as usize, &mut vector);
    assert_eq!(vector, [0.0, -1.0]);
    for n in [2, 4] {
        let message = attach(n).unwrap_err().to_string();
        let expected = format!("expected {n} rows, one for each row of the corpus, bad rows included, got 3");
        assert!(message.ends_with(&expected), "{message}");
    }
}
