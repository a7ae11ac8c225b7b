-- How long events are kept, and who changed that and why. Runs as tickwerk_owner.

-- Notes every update, by whatever way it came.
CREATE OR REPLACE FUNCTION tickwerk.note_retention() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, tickwerk, pg_temp AS $$
BEGIN
    INSERT INTO tickwerk.act (act, subject, reason, actor, details)
    VALUES ('keep', NEW.family, COALESCE(nullif(current_setting('tickwerk.reason', true), ''), 'none was given'),
        COALESCE(nullif(current_setting('tickwerk.actor', true), ''), session_user::text),
        jsonb_build_object('family', NEW.family, 'before', OLD.keep::text, 'after', NEW.keep::text));
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER note_retention AFTER UPDATE OF keep ON tickwerk.event_family
    FOR EACH ROW WHEN (OLD.keep IS DISTINCT FROM NEW.keep) EXECUTE FUNCTION tickwerk.note_retention();

-- Changes how long a family is kept; gives how long it was before. Nothing goes by that alone.
CREATE OR REPLACE FUNCTION tickwerk.keep_events(of_family text, age interval, because text, asked_by text) RETURNS interval
LANGUAGE plpgsql SET search_path = pg_catalog, tickwerk, pg_temp AS $$
DECLARE
    before interval;
BEGIN
    IF age IS NULL OR age <= interval '0' OR age > interval '1000 years' THEN
        RAISE EXCEPTION 'events cannot be kept for %', COALESCE(age::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value', HINT = 'such as 30 days or 7 years';
    END IF;
    SELECT keep INTO before FROM tickwerk.event_family WHERE family = of_family FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no family of events %', COALESCE(of_family, 'NULL') USING ERRCODE = 'invalid_parameter_value',
            HINT = (SELECT 'there are ' || string_agg(family, ', ' ORDER BY family) FROM tickwerk.event_family);
    END IF;
    PERFORM set_config('tickwerk.reason', because, true), set_config('tickwerk.actor', asked_by, true);
    UPDATE tickwerk.event_family SET keep = age WHERE family = of_family;
    RETURN before;
END $$;
REVOKE ALL ON FUNCTION tickwerk.note_retention, tickwerk.keep_events FROM PUBLIC;
