counts = ARGV.tally.sort_by { |word, n| [-n, word] }
puts counts.map { |word, n| "#{word}=#{n}" }.join(" ")
