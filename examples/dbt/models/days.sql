{{ config(materialized='table') }}

-- days on which everything was measured
select
    make_date(1973, month, day) as date,
    ozone,
    solar,
    wind * 1.609 as wind_kmh,
    (temp - 32) / 1.8 as temp_celsius
from {{ ref('air') }}
where ozone is not null and solar is not null
