-- Flights, bookings and tickets of an airline: our own, like the sample databases that everybody knows.
-- Columns of checks with IN are text: of varchar PostgreSQL words them differently once they were restored.
CREATE EXTENSION btree_gist;
CREATE SCHEMA bookings;
COMMENT ON SCHEMA bookings IS 'Airline';
SET search_path = bookings, public;
CREATE FUNCTION bookings.lang() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN current_setting('bookings.lang');
EXCEPTION WHEN undefined_object THEN
    RETURN 'en';
END $$;
CREATE FUNCTION bookings.distance(a point, b point) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN sqrt(power(a[0] - b[0], 2) + power(a[1] - b[1], 2));

CREATE TABLE aircrafts_data (code char(3) PRIMARY KEY, model jsonb NOT NULL, range integer NOT NULL CHECK (range > 0));
CREATE TABLE seats (aircraft char(3) REFERENCES aircrafts_data ON DELETE CASCADE, seat varchar(4), fare text NOT NULL,
    PRIMARY KEY (aircraft, seat), CONSTRAINT known_fare CHECK (fare IN ('Economy', 'Comfort', 'Business')));
CREATE TABLE airports_data (code char(3) PRIMARY KEY, name jsonb NOT NULL, place point NOT NULL, timezone text NOT NULL);
CREATE TABLE flights (
    flight_id integer GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 2) PRIMARY KEY,
    flight_no char(6) NOT NULL,
    departure timestamptz NOT NULL,
    arrival timestamptz NOT NULL,
    duration interval GENERATED ALWAYS AS (arrival - departure) STORED,
    from_airport char(3) NOT NULL REFERENCES airports_data,
    to_airport char(3) NOT NULL REFERENCES airports_data,
    aircraft char(3) NOT NULL REFERENCES aircrafts_data,
    status text NOT NULL,
    UNIQUE (flight_no, departure),
    CHECK (arrival > departure), CHECK (from_airport <> to_airport)
);
CREATE TABLE bookings (book_ref char(6) PRIMARY KEY, booked timestamptz NOT NULL, total numeric(10, 2) NOT NULL);
CREATE TABLE tickets (ticket_no char(13) PRIMARY KEY, book_ref char(6) NOT NULL REFERENCES bookings, passenger text NOT NULL,
    contact jsonb) PARTITION BY HASH (ticket_no);
CREATE TABLE tickets_0 PARTITION OF tickets FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE tickets_1 PARTITION OF tickets FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE tickets_2 PARTITION OF tickets FOR VALUES WITH (MODULUS 3, REMAINDER 2);
CREATE TABLE ticket_flights (ticket_no char(13) REFERENCES tickets, flight_id integer REFERENCES flights, amount money NOT NULL,
    PRIMARY KEY (ticket_no, flight_id));
CREATE TABLE boarding_passes (ticket_no char(13), flight_id integer, number smallint NOT NULL, seat varchar(4) NOT NULL,
    PRIMARY KEY (ticket_no, flight_id), UNIQUE (flight_id, number), UNIQUE (flight_id, seat),
    FOREIGN KEY (ticket_no, flight_id) REFERENCES ticket_flights);
CREATE TABLE gates (airport char(3) REFERENCES airports_data, gate smallint, during tstzrange,
    EXCLUDE USING gist (airport WITH =, gate WITH =, during WITH &&));

CREATE TABLE changes (id bigserial, at timestamptz NOT NULL DEFAULT now(), op text, before bookings.flights);

INSERT INTO aircrafts_data SELECT 'A' || lpad(i::text, 2, '0'), jsonb_build_object('en', 'Plane ' || i, 'ru', 'Самолёт ' || i),
    3000 + i * 500 FROM generate_series(1, 9) i;
INSERT INTO seats SELECT code, row || letter, CASE WHEN row < 4 THEN 'Business' WHEN row < 8 THEN 'Comfort' ELSE 'Economy' END
    FROM aircrafts_data, generate_series(1, 25) row, unnest(ARRAY['A', 'B', 'C', 'D', 'E', 'F']) letter;
INSERT INTO airports_data SELECT chr(65 + i / 26) || chr(65 + i % 26) || 'X', jsonb_build_object('en', 'City ' || i, 'ru', 'Город ' || i),
    point(i * 3.7 - 180, i - 50.125), 'Europe/Moscow' FROM generate_series(0, 103) i;
INSERT INTO flights (flight_no, departure, arrival, from_airport, to_airport, aircraft, status)
    SELECT 'PG' || lpad((i % 700)::text, 4, '0'), t, t + (60 + i % 400) * interval '1 min', a.code, b.code,
    'A0' || 1 + i % 9, (ARRAY['Scheduled', 'On Time', 'Delayed', 'Departed', 'Arrived', 'Cancelled'])[1 + i % 6]
    FROM generate_series(1, 3000) i
    CROSS JOIN LATERAL (SELECT timestamptz '2026-06-01 00:00+03' + i * interval '11 min' AS t) x
    JOIN (SELECT code, row_number() OVER (ORDER BY code) n FROM airports_data) a ON a.n = 1 + i % 104
    JOIN (SELECT code, row_number() OVER (ORDER BY code) n FROM airports_data) b ON b.n = 1 + (i + 1 + i % 7) % 104;
INSERT INTO bookings SELECT lpad(to_hex(i * 3919), 6, '0'), timestamptz '2026-05-01 00:00+00' + i * interval '3 min', i % 90000 + 0.5
    FROM generate_series(1, 4000) i;
INSERT INTO tickets SELECT lpad(i::text, 13, '0'), lpad(to_hex((1 + i % 4000) * 3919), 6, '0'), 'PASSENGER ' || upper(md5(i::text)),
    CASE WHEN i % 3 > 0 THEN jsonb_build_object('phone', '+7' || i, 'email', NULL) END FROM generate_series(1, 6000) i;
INSERT INTO ticket_flights SELECT lpad(i::text, 13, '0'), 1000 + 2 * (i * k % 3000), (i % 500 + 0.25)::numeric::money
    FROM generate_series(1, 6000) i, generate_series(1, 2) k ON CONFLICT DO NOTHING;
INSERT INTO boarding_passes SELECT ticket_no, flight_id, row_number() OVER w, row_number() OVER w || 'A' FROM ticket_flights
    WHERE flight_id < 5000 WINDOW w AS (PARTITION BY flight_id ORDER BY ticket_no);
INSERT INTO gates SELECT from_airport, 1 + flight_id % 9, tstzrange(departure - interval '5 min', departure) FROM flights
    ON CONFLICT DO NOTHING;

CREATE FUNCTION bookings.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO bookings.changes (op, before) VALUES (TG_OP, OLD);
    RETURN NULL;
END $$;
CREATE TRIGGER noted AFTER UPDATE OR DELETE ON flights FOR EACH ROW EXECUTE FUNCTION bookings.note_change();
UPDATE flights SET status = 'Arrived' WHERE status = 'Departed' AND flight_id < 1500;

CREATE VIEW aircrafts AS SELECT code, model ->> lang() AS model, range FROM aircrafts_data;
CREATE VIEW flights_v AS SELECT f.*, a.name ->> lang() AS from_city, distance(a.place, b.place) AS distance,
    timezone(a.timezone, f.departure) AS local_departure FROM flights f JOIN airports_data a ON a.code = f.from_airport
    JOIN airports_data b ON b.code = f.to_airport;
CREATE MATERIALIZED VIEW routes AS WITH days AS (SELECT flight_no, from_airport, to_airport, extract(isodow FROM departure)::int AS day
    FROM flights GROUP BY 1, 2, 3, 4) SELECT flight_no, from_airport, to_airport, array_agg(day ORDER BY day) AS days FROM days
    GROUP BY flight_no, from_airport, to_airport;
CREATE INDEX ON routes USING gin (days);
CREATE INDEX ON tickets (book_ref);
CREATE INDEX flights_open ON flights (departure) WHERE status IN ('Scheduled', 'On Time');
CREATE STATISTICS bookings.flight_pairs (dependencies) ON from_airport, to_airport FROM flights;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = bookings, public', current_database());
    EXECUTE format('ALTER DATABASE %I SET bookings.lang = ''ru''', current_database()); END $$;
