"""SQL twins of `fold` and `trigrams`: immutable, so they may stand in indexes. No extension is needed."""

from django.db import migrations

CREATE = r"""
CREATE FUNCTION vn_fold(value text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT btrim(regexp_replace(lower(translate(
    regexp_replace(normalize(value, NFD), '[\u0300-\u036f]', '', 'g'), 'đĐ', 'dd')), '\s+', ' ', 'g'))
$$;
CREATE FUNCTION vn_tri(value text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(DISTINCT substr(padded, i, 3)), '{}')
  FROM (SELECT '  ' || word || ' ' AS padded
        FROM regexp_split_to_table(vn_fold(value), ' ') AS word WHERE word <> '') AS words,
       generate_series(1, length(padded) - 2) AS i
$$;
"""


class Migration(migrations.Migration):
    operations = [
        migrations.RunSQL(CREATE, "DROP FUNCTION vn_tri(text); DROP FUNCTION vn_fold(text);"),
    ]
