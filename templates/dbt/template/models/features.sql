select
    id,
    rooms,
    size,
    case when age < 20 then 1 else 0 end as is_new,
    price / size as price_per_square_metre
from {{ ref('houses') }}
where size > 0
