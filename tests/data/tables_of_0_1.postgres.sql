-- The tables as 0.1 created them on postgres.

CREATE TABLE api_requests (
  sent_at BIGINT NOT NULL,
  PRIMARY KEY (sent_at)
);

CREATE TABLE bar_revisions (
  symbol VARCHAR(32) NOT NULL,
  timeframe VARCHAR(8) NOT NULL,
  ts BIGINT NOT NULL,
  open BIGINT NOT NULL,
  high BIGINT NOT NULL,
  low BIGINT NOT NULL,
  close BIGINT NOT NULL,
  volume BIGINT NOT NULL,
  source VARCHAR(32) NOT NULL,
  recorded_at BIGINT NOT NULL,
  superseded_at BIGINT NOT NULL,
  PRIMARY KEY (symbol, timeframe, ts, recorded_at)
);

CREATE TABLE bars (
  symbol VARCHAR(32) NOT NULL,
  timeframe VARCHAR(8) NOT NULL,
  ts BIGINT NOT NULL,
  open BIGINT NOT NULL,
  high BIGINT NOT NULL,
  low BIGINT NOT NULL,
  close BIGINT NOT NULL,
  volume BIGINT NOT NULL,
  source VARCHAR(32) NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (symbol, timeframe, ts)
);

CREATE TABLE coverage (
  symbol VARCHAR(32) NOT NULL,
  timeframe VARCHAR(8) NOT NULL,
  start_ts BIGINT NOT NULL,
  end_ts BIGINT NOT NULL,
  asked_at BIGINT NOT NULL,
  bars INTEGER NOT NULL,
  PRIMARY KEY (symbol, timeframe, start_ts, end_ts)
);

CREATE TABLE lake_files (
  asset VARCHAR(64) NOT NULL,
  partition_key VARCHAR(64) NOT NULL,
  path TEXT NOT NULL,
  input_hash VARCHAR(64) NOT NULL,
  content_hash VARCHAR(64) NOT NULL,
  series_rows INTEGER NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (asset, partition_key)
);

CREATE TABLE partition_versions (
  symbol VARCHAR(32) NOT NULL,
  timeframe VARCHAR(8) NOT NULL,
  content_hash VARCHAR(64) NOT NULL,
  bars INTEGER NOT NULL,
  first_ts BIGINT NOT NULL,
  last_ts BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (symbol, timeframe)
);

CREATE TABLE performance_reports (
  subject VARCHAR(64) NOT NULL,
  input_hash VARCHAR(64) NOT NULL,
  report TEXT NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (subject)
);

CREATE TABLE quarantined_bars (
  symbol VARCHAR(32) NOT NULL,
  timeframe VARCHAR(8) NOT NULL,
  raw_hash VARCHAR(64) NOT NULL,
  ts BIGINT,
  raw TEXT NOT NULL,
  reason TEXT NOT NULL,
  source VARCHAR(32) NOT NULL,
  recorded_at BIGINT NOT NULL,
  PRIMARY KEY (symbol, timeframe, raw_hash)
);

CREATE TABLE store_facts (
  name VARCHAR(64) NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (name)
);
